"""Tests bodies as llama.vim and llama.vscode send them, and what llama-server answers to them."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest

from hoshikage import wire
from hoshikage.answer.schema.raw import inputs_of, prompts_of
from hoshikage.dispatch.client import Note
from hoshikage.errors import InvalidRequest
from hoshikage.params import InfillPrompt, MixedPrompt, TextPrompt, TokenPrompt
from tests.protocols.conftest import House, Step, finished
from tests.protocols.test_sdk_types import LIKELY

JSON = {"Content-Type": "application/json"}
EXTRA = [{"text": "def one(): ...\n", "filename": "one.py"}, {"text": "def two(): ...\n", "filename": "two.py"}]
VIM: dict[str, Any] = {
    "id_slot": 2,
    "input_prefix": "def three():\n",
    "input_suffix": "\n",
    "input_extra": EXTRA,
    "prompt": "    ",
    "n_predict": 128,
    "stop": [],
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.9,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1000,
    "response_fields": ["content", "timings/prompt_n", "timings/predicted_ms", "truncated", "tokens_cached", "no/such"],
}
WARM_UP: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "",
    "input_suffix": "",
    "input_extra": EXTRA,
    "prompt": "",
    "n_predict": 0,
    "temperature": 0.0,
    "stream": False,
    "samplers": [],
    "cache_prompt": True,
    "t_max_prompt_ms": 1,
    "t_max_predict_ms": 1,
    "response_fields": [""],
}
VSCODE: dict[str, Any] = {**VIM, "samplers": "edkypmxt", "response_fields": [], "speculative.n_min": 1}
TOLD: list[Step] = [
    wire.Started(1, 40),
    wire.Prefill(1, 8),
    wire.Prefill(1, 40),
    wire.Token(1, "星", 1, tokens=(7,)),
    wire.Token(1, "影\n", 3, tokens=(8, 9)),
    finished("length", 40, 3),
]


async def ask(house: House, path: str, body: dict[str, Any]) -> Any:
    status, told, _ = await house.ask("POST", path, json.dumps(body), **JSON)
    assert status == 200, told
    return told


async def events(house: House, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    data = json.dumps({**body, "stream": True})
    async with house.session.post(house.url + path, data=data, headers=JSON) as response:
        assert response.status == 200
        frames = (await response.text()).split("\n\n")
    return [json.loads(frame[6:]) for frame in frames if frame.startswith("data: {")]


async def test_llama_vim(house: House) -> None:
    house.dispatcher.steps = TOLD
    told = await ask(house, "/infill", VIM)
    assert list(told) == ["content", "timings/prompt_n", "timings/predicted_ms", "truncated", "tokens_cached"]
    assert (told["content"], told["timings/prompt_n"], told["tokens_cached"]) == ("星影\n", 38, 43)
    asked = house.dispatcher.asked[-1][1]
    files = tuple((file["filename"], file["text"]) for file in EXTRA)
    assert asked.prompt == InfillPrompt("def three():\n    ", "\n", files, "input_suffix")
    assert (asked.max_tokens, asked.max_answer_ms, asked.cache_prompt) == (128, 1000, True)
    assert asked.sampling.samplers == ("top_k", "top_p", "infill")
    assert (asked.n_indent, asked.max_prompt_ms) == (4, 500)


async def test_its_warm_up(house: House) -> None:
    house.dispatcher.steps = [wire.Started(1, 40), finished("length", 40, 0)]
    assert await ask(house, "/infill", WARM_UP) == {}
    asked = house.dispatcher.asked[-1][1]
    assert (asked.max_tokens, asked.sampling.samplers) == (0, ())
    assert asked.max_prompt_ms is None, "the prompt is what it is sent for"


async def test_llama_vscode(house: House) -> None:
    house.dispatcher.steps = TOLD
    told = await ask(house, "/infill", VSCODE)
    assert (told["content"], told["stop_type"], told["tokens"]) == ("星影\n", "limit", [])
    assert house.dispatcher.asked[-1][1].sampling.samplers[0] == "penalties"


@pytest.mark.parametrize(("n_predict", "truncated"), [(-1, True), (100, True), (3, False)])
async def test_a_full_context_is_told(house: House, n_predict: int, truncated: bool) -> None:
    house.dispatcher.steps = TOLD
    told = await ask(house, "/completion", {"prompt": "a", "n_predict": n_predict})
    assert (told["truncated"], told["stop_type"]) == (truncated, "limit")


async def test_an_answer_that_had_its_time_is_not_truncated(house: House) -> None:
    house.dispatcher.steps = TOLD
    assert (await ask(house, "/completion", {"prompt": "a", "t_max_predict_ms": 1}))["truncated"] is False
    for most in (0, -1):
        await ask(house, "/completion", {"prompt": "a", "t_max_predict_ms": most})
        assert house.dispatcher.asked[-1][1].max_answer_ms is None


async def test_the_settings_show_what_ignore_eos_does(house: House) -> None:
    house.dispatcher.steps = [wire.Started(1, 4, forbidden=(2, 7)), wire.Token(1, "a", 1), finished("length", 4, 1)]
    body = {"prompt": "a", "ignore_eos": True, "logit_bias": [[5, 1.5]]}
    shown = (await ask(house, "/completion", body))["generation_settings"]
    assert (shown["ignore_eos"], shown["logit_bias"]) == (True, [[5, 1.5], [2, -100.0], [7, -100.0]])


async def test_the_slot_is_the_one_that_the_answer_has(house: House) -> None:
    placed: list[Note] = [
        wire.SlotTaken(1, 2),
        wire.Prefill(1, 40),
        wire.Token(1, "a", 1),
        wire.SlotTaken(1, 3),
        wire.Token(1, "b", 2),
    ]
    house.dispatcher.steps = [wire.Started(1, 40), *placed, finished("length", 40, 2)]
    body = {"prompt": "a", "return_progress": True}
    assert [one["id_slot"] for one in await events(house, "/completion", body)] == [2, 2, 3, 3]
    assert (await ask(house, "/completion", body))["id_slot"] == 3


async def test_each_answer_has_its_own_slot(house: House) -> None:
    house.dispatcher.steps = [
        wire.Started(1, 5),
        wire.SlotTaken(1, 1),
        wire.SlotTaken(1, 0, choice=1),
        wire.ChoiceEnd(1, 0, "stop"),
        msgspec.structs.replace(finished(), choice=1),
    ]
    told = await ask(house, "/completion", {"prompt": "a", "n_cmpl": 2})
    assert [one["id_slot"] for one in told] == [1, 0]


async def test_tokens(house: House) -> None:
    house.dispatcher.steps = TOLD
    pieces = await events(house, "/completion", {"prompt": "a"})
    assert [piece["tokens"] for piece in pieces] == [[7], [8, 9], []]
    assert (await ask(house, "/completion", {"prompt": "a", "return_tokens": True}))["tokens"] == [7, 8, 9]
    assert (await ask(house, "/completion", {"prompt": "a"}))["tokens"] == []
    assert house.dispatcher.asked[-1][1].return_tokens is False


async def test_probabilities_have_numbers(house: House) -> None:
    numbered = wire.Likely(LIKELY.text, LIKELY.raw, LIKELY.logprob, 7)
    house.dispatcher.steps = [
        wire.Started(1, 5),
        wire.Token(1, "星", 1, 0, (wire.Chosen(numbered, (numbered,)),)),
        finished(),
    ]
    told = await ask(house, "/completion", {"prompt": "a", "n_probs": 1, "return_tokens": True})
    (chosen,) = told["completion_probabilities"]
    assert (chosen["id"], chosen["top_logprobs"][0]["id"], told["tokens"]) == (7, 7, [7])
    (piece, _) = await events(house, "/completion", {"prompt": "a", "n_probs": 1})
    assert piece["tokens"] == [7]


@pytest.mark.parametrize(
    ("given", "text", "truncated"),
    [({"n_indent": 4}, "a\n    b\n  ", False), ({"n_indent": 4}, "a\n    b", True), ({}, "a\n", True)],
)
async def test_an_answer_that_left_its_block_is_not_truncated(
    house: House, given: dict[str, Any], text: str, truncated: bool
) -> None:
    house.dispatcher.steps = [wire.Started(1, 5), wire.Token(1, text, 3), finished("length")]
    assert (await ask(house, "/completion", {"prompt": "a", **given}))["truncated"] is truncated


async def test_a_prompt_without_time_has_an_empty_answer(house: House) -> None:
    house.dispatcher.steps = [wire.Started(1, 5), wire.Prefill(1, 3), finished("length", 5, 0)]
    told = await ask(house, "/completion", {"prompt": "a", "t_max_prompt_ms": 2})
    assert (told["content"], told["stop_type"], told["truncated"], told["tokens_predicted"]) == ("", "limit", False, 0)
    for most in (0, -1, 0.5):
        await ask(house, "/completion", {"prompt": "a", "t_max_prompt_ms": most})
        assert house.dispatcher.asked[-1][1].max_prompt_ms is None


SEVERAL: list[Step] = [
    wire.Started(1, 5),
    wire.Token(1, "星", 1, 0, tokens=(7,)),
    wire.Token(1, "月", 2, 1, tokens=(8,)),
    wire.ChoiceEnd(1, 1, "length"),
    wire.Token(1, "影", 3, 0, tokens=(9,)),
    finished("stop", 5, 4),
]


async def test_several_answers_to_a_prompt(house: House) -> None:
    house.dispatcher.steps = SEVERAL
    told = await ask(house, "/completion", {"prompt": "a", "n_cmpl": 2})
    assert house.dispatcher.asked[-1][1].choices == 2
    assert [(one["index"], one["content"], one["stop_type"], one["tokens_predicted"]) for one in told] == [
        (0, "星影", "eos", 3), (1, "月", "limit", 1),
    ]  # fmt: skip
    both = await ask(house, "/completion", {"prompt": ["a", "b"], "n_cmpl": 2})
    assert [(one["index"], one["content"]) for one in both] == [(0, "星影"), (1, "月"), (2, "星影"), (3, "月")]
    pieces = await events(house, "/completion", {"prompt": "a", "n_cmpl": 2})
    assert [(one["index"], one["stop"]) for one in pieces] == [
        (0, False), (1, False), (0, False), (1, True), (0, True),
    ]  # fmt: skip
    status, refused, _ = await house.ask("POST", "/completion", json.dumps({"prompt": "a", "n_cmpl": 9}), **JSON)
    assert (status, refused["error"]["param"]) == (400, "n_cmpl")


async def test_chances_after_sampling_have_names_of_their_own(house: House) -> None:
    chosen = wire.Likely("星", "星".encode(), math.log(0.75), 7)
    other = wire.Likely("月", "月".encode(), math.log(0.25), 8)
    token = wire.Token(1, "星", 1, 0, (wire.Chosen(chosen, (chosen, other)),))
    house.dispatcher.steps = [wire.Started(1, 5), token, finished()]
    told = await ask(house, "/completion", {"prompt": "a", "n_probs": 2, "post_sampling_probs": True})
    (shown,) = told["completion_probabilities"]
    assert (shown["id"], shown["prob"], "logprob" in shown, "top_logprobs" in shown) == (
        7, pytest.approx(0.75), False, False,
    )  # fmt: skip
    assert [(one["id"], one["prob"]) for one in shown["top_probs"]] == [
        (7, pytest.approx(0.75)),
        (8, pytest.approx(0.25)),
    ]
    assert house.dispatcher.asked[-1][1].drawn is True


@pytest.mark.parametrize("path", ["/completion", "/v1/completions", "/v1/chat/completions"])
async def test_progress_and_timings_in_a_stream(house: House, path: str) -> None:
    house.dispatcher.steps = TOLD
    body = {"messages": [{"role": "user", "content": "a"}]} if "chat" in path else {"prompt": "a"}
    plain = await events(house, path, body)
    assert not any("prompt_progress" in piece for piece in plain)
    assert ["timings" in piece for piece in plain].index(True) == len(plain) - 1
    told = await events(house, path, {**body, "return_progress": True, "timings_per_token": True})
    first, second = told[:2]
    assert [first["prompt_progress"][name] for name in ("total", "cache", "processed")] == [40, 8, 8]
    assert second["prompt_progress"]["processed"] == 40
    texts = [piece for piece in told[2:] if _said(piece)]
    timed = [piece["timings"] for piece in texts if "timings" in piece]
    assert [timing["predicted_n"] for timing in timed[:2]] == [1, 3]
    assert {timing["prompt_n"] for timing in timed[:2]} == {40}


def _said(piece: dict[str, Any]) -> Any:
    choice = (piece.get("choices") or [{}])[0]
    return piece.get("content") or choice.get("delta") or choice.get("text")


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
async def test_timings_come_by_default_and_with_the_usage(house: House, path: str) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "a"}]} if "chat" in path else {"prompt": "a"}
    assert "timings" in await ask(house, path, body)
    assert "timings" not in await ask(house, path, {**body, "timings": False})
    told = await events(house, path, {**body, "stream_options": {"include_usage": True}})
    assert ["timings" in piece for piece in told] == [False] * (len(told) - 1) + [True]
    assert told[-1]["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize(
    ("given", "inputs", "prompts"),
    [
        ("a", ("a",), (TextPrompt("a"),)),
        ({"prompt_string": "a"}, ("a",), (TextPrompt("a"),)),
        ([1, 2], ((1, 2),), (TokenPrompt((1, 2)),)),
        ([1, "abc", 2], ((1, "abc", 2),), (MixedPrompt((1, "abc", 2)),)),
        (["a", [1, 2]], ("a", (1, 2)), (TextPrompt("a"), TokenPrompt((1, 2)))),
        (["a", {"prompt_string": "b"}, [1, "c"]], ("a", "b", (1, "c")),
         (TextPrompt("a"), TextPrompt("b"), MixedPrompt((1, "c")))),
    ],
)  # fmt: skip
async def test_mixed_prompts(house: House, given: Any, inputs: Any, prompts: Any) -> None:
    await ask(house, "/completion", {"prompt": given})
    assert tuple(request.prompt for _, request in house.dispatcher.asked) == prompts
    if not isinstance(given, dict):
        assert inputs_of(given, "input") == tuple(given) or len(inputs) == len(prompts)


def test_a_list_beside_numbers_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        prompts_of([1, [2]])
    assert caught.value.param == "prompt[1]"
