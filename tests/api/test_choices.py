"""Several choices, log probabilities and timings as a stream and as a whole; a dispatcher decides every step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hoshikage import wire
from tests.api.conftest import House, finished

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
        finished(completion_tokens=5),
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
    assert chunks[-1]["usage"] == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
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
        "cache_n": 0,
        "prompt_n": 5,
        "prompt_ms": 1.0,
        "prompt_per_token_ms": 0.2,
        "prompt_per_second": 5000.0,
        "predicted_n": 3,
        "predicted_ms": 1.0,
        "predicted_per_token_ms": pytest.approx(1 / 3),
        "predicted_per_second": 3000.0,
        "first_token_ms": 1.0,
    }
