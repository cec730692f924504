"""Tests several choices, log probabilities and timings as a stream and as a whole; a dispatcher decides every step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hoshikage import wire
from tests.protocols.conftest import House, finished

TURNS: Any = [{"role": "user", "content": "こんにちは"}]


def likely(text: str, raw: bytes, logprob: float = -0.5) -> wire.Likely:
    return wire.Likely(text, raw, logprob)


async def frames(house: House, **fields: Any) -> list[dict[str, Any]]:
    body = json.dumps({"model": "tiny", "messages": TURNS, "stream": True, **fields})
    sent = {"Content-Type": "application/json"}
    async with house.session.post(f"{house.url}/v1/chat/completions", data=body, headers=sent) as response:
        assert response.status == 200
        lines = (await response.read()).decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


async def test_choices_of_a_stream_each_have_their_role_and_their_end(house: House) -> None:
    house.dispatcher.steps = [
        wire.Started(1, 5),
        wire.Token(1, "一", 1),
        wire.ChoiceEnd(1, 0, "stop"),
        wire.ChoiceEnd(1, 1, "length"),
        wire.Prefill(1, 5),
        wire.Token(1, "三", 4, 2),
        finished(completion_tokens=5, choice=2),
    ]
    chunks = await frames(house, n=3, stream_options={"include_usage": True})
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "一"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        [{"index": 1, "delta": {"role": "assistant", "content": None}, "finish_reason": None}],
        [{"index": 1, "delta": {}, "finish_reason": "length"}],
        [{"index": 2, "delta": {"role": "assistant", "content": None}, "finish_reason": None}],
        [{"index": 2, "delta": {"content": "三"}, "finish_reason": None}],
        [{"index": 2, "delta": {}, "finish_reason": "stop"}],
        [],
    ]
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    async with house.sdk() as client:
        whole = await client.chat.completions.create(model="tiny", messages=TURNS, n=3)
    assert [(one.index, one.message.content, one.finish_reason) for one in whole.choices] == [
        (0, "一", "stop"),
        (1, "", "length"),
        (2, "三", "stop"),
    ]
    assert [request.choices for _, request in house.dispatcher.asked] == [3, 3]


async def test_log_probabilities_stand_beside_their_text(house: House) -> None:
    first = wire.Chosen(likely("", b"\xe6\x98"), (likely("\ufffd", b"\xe6\x98"), likely("x", b"x", -2.0)))
    second = wire.Chosen(likely("星", b"\x9f"), ())
    house.dispatcher.steps = [wire.Started(1, 5), wire.Token(1, "星", 2, 0, (first, second)), finished()]
    content = [
        {
            "token": "",
            "logprob": -0.5,
            "bytes": [0xE6, 0x98],
            "top_logprobs": [
                {"token": "\ufffd", "logprob": -0.5, "bytes": [0xE6, 0x98]},
                {"token": "x", "logprob": -2.0, "bytes": [120]},
            ],
        },
        {"token": "星", "logprob": -0.5, "bytes": [0x9F], "top_logprobs": []},
    ]
    chunks = await frames(house, logprobs=True, top_logprobs=2)
    assert chunks[1]["choices"] == [
        {
            "index": 0,
            "delta": {"content": "星"},
            "logprobs": {"content": content, "refusal": None},
            "finish_reason": None,
        }
    ]
    body = json.dumps({"model": "tiny", "messages": TURNS, "logprobs": True, "top_logprobs": 2})
    _, whole, _ = await house.chat(body)
    assert whole["choices"][0]["logprobs"] == {"content": content, "refusal": None}
    async with house.sdk() as client:
        typed = await client.chat.completions.create(model="tiny", messages=TURNS, logprobs=True, top_logprobs=2)
    assert typed.choices[0].logprobs is not None
    assert [token.bytes for token in typed.choices[0].logprobs.content or ()] == [[0xE6, 0x98], [0x9F]]


@pytest.mark.parametrize("tier", ["auto", "flex"])
async def test_the_tier_that_served_is_told_where_one_is_named(house: House, tier: str) -> None:
    for chunk in await frames(house, service_tier=tier):
        assert chunk["service_tier"] == "default"
    assert all("service_tier" not in chunk for chunk in await frames(house))


async def test_timings_stand_at_the_end(house: House) -> None:
    chunks = await frames(house, timings=True)
    assert [("timings" in chunk) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["timings"] == {
        "queue_ms": 7.0,
        "load_ms": 9.0,
        "cache_n": 2,
        "prompt_n": 3,
        "prompt_ms": 1.0,
        "prompt_per_token_ms": pytest.approx(1 / 3),
        "prompt_per_second": 3000.0,
        "predicted_n": 3,
        "predicted_ms": 1.0,
        "predicted_per_token_ms": pytest.approx(1 / 3),
        "predicted_per_second": 3000.0,
        "first_token_ms": 1.0,
        "sampling_ms": 0.5,
        "draft_n": 4,
        "draft_n_accepted": 3,
        "stop_token": None,
    }


async def test_choices_that_are_computed_together_are_told_apart(house: House) -> None:
    """Their pieces come mixed, and they end in any order."""
    house.dispatcher.steps = [
        wire.Started(1, 5),
        wire.Token(1, "b1", 1, 1),
        wire.Token(1, "a1", 2, 0),
        wire.Token(1, "c1", 3, 2),
        wire.ChoiceEnd(1, 2, "length"),
        wire.Token(1, "b2", 4, 1),
        wire.Token(1, "a2", 5, 0),
        wire.ChoiceEnd(1, 0, "stop"),
        finished("length", completion_tokens=7, choice=1),
    ]
    wanted = {0: ("a1a2", "stop"), 1: ("b1b2", "length"), 2: ("c1", "length")}
    chunks = [choice for chunk in await frames(house, n=3) for choice in chunk["choices"]]
    for index, (text, reason) in wanted.items():
        mine = [choice for choice in chunks if choice["index"] == index]
        assert mine[0]["delta"] == {"role": "assistant", "content": None}
        assert "".join(choice["delta"].get("content") or "" for choice in mine) == text
        assert [choice["finish_reason"] for choice in mine] == [None] * (len(mine) - 1) + [reason]
    _, whole, _ = await house.chat(json.dumps({"model": "tiny", "messages": TURNS, "n": 3}))
    told = {choice["index"]: (choice["message"]["content"], choice["finish_reason"]) for choice in whole["choices"]}
    assert told == wanted
    assert whole["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}


@pytest.mark.parametrize(("wish", "slot"), [(0, 0), (-1, None), (None, None), (99, None)])
async def test_a_chat_may_ask_for_a_sequence(house: House, wish: int | None, slot: int | None) -> None:
    body = json.dumps({"model": "tiny", "messages": TURNS, "id_slot": wish})
    status, _, headers = await house.chat(body)
    assert status == 200
    assert house.dispatcher.asked[-1][1].slot == slot
    assert headers.get("X-Hoshikage-Ignored") == ("id_slot: 99" if wish == 99 else None)


@pytest.mark.parametrize("wish", [True, False, None])
async def test_whether_a_prompt_is_kept_is_the_requests_to_say(house: House, wish: bool | None) -> None:
    await frames(house, cache_prompt=wish)
    assert house.dispatcher.asked[-1][1].cache_prompt is wish
