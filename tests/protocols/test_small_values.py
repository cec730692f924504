"""Tests what everyday clients send for "none", "off" and "no bound", and other spellings whose meaning is clear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hoshikage.answer.schema import chat
from hoshikage.params import RANDOM_SEED, GenerationRequest, Message
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings
from tests.protocols.conftest import House
from tests.protocols.field_values import BASES, CALL, FUNCTION, USER, Body

JSON = {"Content-Type": "application/json", "Accept-Language": "en"}
CHAT = "/v1/chat/completions"
MOST = {CHAT: "max_tokens", "/v1/completions": "max_tokens", "/completion": "n_predict", "/infill": "n_predict",
        "/v1/responses": "max_output_tokens", "/v1/messages": "max_tokens"}  # fmt: skip
STOP = {CHAT: "stop", "/v1/completions": "stop", "/completion": "stop", "/infill": "stop",
        "/v1/messages": "stop_sequences"}  # fmt: skip
SAMPLED = (CHAT, "/v1/completions", "/completion", "/infill", "/v1/responses", "/v1/messages", "/api/chat")


async def asked(house: House, path: str, **more: Any) -> GenerationRequest:
    status, told, _ = await house.ask("POST", path, json.dumps({**BASES[path], "model": "tiny", **more}), **JSON)
    assert status == 200, (more, told)
    return house.dispatcher.asked[-1][1]


async def sampled(house: House, path: str, **more: Any) -> GenerationRequest:
    return await asked(house, path, **({"options": more} if path.startswith("/api/") else more))


@pytest.mark.parametrize("path", MOST)
async def test_no_bound_and_no_text(house: House, path: str) -> None:
    name = MOST[path]
    for value in (-1, -2, -100):
        assert (await asked(house, path, **{name: value})).max_tokens is None
    if path != "/v1/messages":
        assert (await asked(house, path, **{name: None})).max_tokens is None
    assert (await asked(house, path, **{name: 0})).max_tokens == 0
    assert (await asked(house, path, **{name: 4.0})).max_tokens == 4


async def test_both_names_of_the_bound(house: House) -> None:
    both = await asked(house, CHAT, max_tokens=-1, max_completion_tokens=7)
    assert both.max_tokens == 7
    assert (await asked(house, CHAT, max_tokens=0, max_completion_tokens=None)).max_tokens == 0


@pytest.mark.parametrize("wanted", [-2, -1, 0])
async def test_ollama_has_no_bound_below_one(house: House, wanted: int) -> None:
    assert (await sampled(house, "/api/chat", num_predict=wanted)).max_tokens is None


@pytest.mark.parametrize("path", SAMPLED)
async def test_what_is_off_is_off(house: House, path: str) -> None:
    off = await sampled(
        house, path, temperature=-1, seed=None, top_k=-1, min_p=0, repeat_penalty=0, frequency_penalty=0,
        presence_penalty=0, logit_bias=[],
    )  # fmt: skip
    found = off.sampling
    assert (found.temperature, found.seed, found.top_k, found.min_p) == (0.0, RANDOM_SEED, 0, 0.0)
    assert (found.repeat_penalty, found.frequency_penalty, found.presence_penalty) == (1.0, 0.0, 0.0)
    assert found.logit_bias == ()
    assert (await sampled(house, path, temperature=0)).sampling.temperature == 0
    assert (await sampled(house, path, temperature=2.5)).sampling.temperature == 2.5
    assert (await sampled(house, path, seed=-1)).sampling.seed == RANDOM_SEED
    assert (await sampled(house, path, seed=7.0, top_k=0)).sampling.seed == 7


@pytest.mark.parametrize("path", STOP)
@pytest.mark.parametrize("none", [None, [], "", [""]])
async def test_no_stop(house: House, path: str, none: Any) -> None:
    if path == "/v1/messages" and none == "":
        none = [""]
    assert (await asked(house, path, **{STOP[path]: none})).stop == ("### END",)


@pytest.mark.parametrize("path", STOP)
async def test_more_than_four_stops(house: House, path: str) -> None:
    many = [f"s{number}" for number in range(20)]
    assert (await asked(house, path, **{STOP[path]: [*many, ""]})).stop == ("### END", *many)
    assert (await sampled(house, "/api/chat", stop=[""])).stop == ("### END",)


BIASES = [
    ({"5": -1.5}, ((5, -1.5),)),
    ([[5, -1.5]], ((5, -1.5),)),
    ([[" the ", 2]], ((" the ", 2.0),)),
    ({" the ": 2}, ((" the ", 2.0),)),
    ([[5, False], ["x", False]], ((5, -100.0), ("x", -100.0))),
    ({"5": -1000}, ((5, -100.0),)),
]


@pytest.mark.parametrize(("given", "meant"), BIASES)
@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/completion"])
async def test_each_form_of_a_bias(house: House, path: str, given: Any, meant: Any) -> None:
    assert (await asked(house, path, logit_bias=given)).sampling.logit_bias == meant


@pytest.mark.parametrize("given", [[[1.5, 2]], [[True, 2]], [[1, "x"]], [[1]], [5], {"5": "x"}])
async def test_a_bias_that_is_none(house: House, given: Any) -> None:
    status, told, _ = await house.ask("POST", CHAT, json.dumps({**BASES[CHAT], "logit_bias": given}), **JSON)
    assert (status, told["error"]["param"].startswith("logit_bias")) == (400, True)


@pytest.mark.parametrize(
    ("given", "order", "ignored"),
    [
        (["top_k", "top_p", "infill"], ("top_k", "top_p", "infill"), None),
        ("kpi", ("top_k", "top_p", "infill"), None),
        ("edkypmxt", ("penalties", "dry", "top_k", "typical_p", "top_p", "min_p", "xtc", "temperature"), None),
        ("kt", ("top_k", "temperature"), None),
        ("top_k;temp", ("top_k", "temperature"), None),
        (["top-k", "Typical", "nucleus", "top_k"], ("top_k", "typical_p", "top_p"), None),
        (["brand_new"], (), "samplers: brand_new"),
        ([], (), None),
        ("", (), None),
    ],
)
async def test_samplers_by_name_letters_and_text(
    house: House, given: Any, order: tuple[str, ...], ignored: str | None
) -> None:
    body = json.dumps({**BASES["/completion"], "samplers": given})
    status, told, headers = await house.ask("POST", "/completion", body, **JSON)
    assert status == 200, told
    assert house.dispatcher.asked[-1][1].sampling.samplers == order
    assert headers.get("X-Hoshikage-Ignored") == ignored


def spoken(*turns: Body) -> Body:
    return {"messages": [*turns, USER]}


def meant(settings: Settings, *turns: Body) -> tuple[Message, ...]:
    """The turns as the chat template would get them."""
    body = chat.parse(json.loads(json.dumps(spoken(*turns))))
    return chat.to_request(body, ModelSpec("tiny", Path("tiny.gguf"), (), 0), settings).chat.messages


NAMELESS: Body = {"id": "c1", "function": {"name": "weather", "arguments": {"city": "東京"}}}
CALLED: Body = {"role": "assistant", "content": "", "tool_calls": [NAMELESS]}


@pytest.mark.parametrize(
    ("turn", "role", "content"),
    [
        ({"role": "User", "content": "a"}, "user", "a"),
        ({"role": " SYSTEM ", "content": "a"}, "system", "a"),
        ({"role": "assistant", "content": None}, "assistant", ""),
        ({"role": "assistant", "content": None, "tool_calls": []}, "assistant", ""),
        ({"role": "assistant", "content": None, "reasoning_content": "Hm."}, "assistant", ""),
        ({"role": "user", "content": []}, "user", ""),
        ({"role": "tool", "content": None, "tool_call_id": "c"}, "tool", ""),
        ({"role": "user", "content": [{"type": "input_text", "text": "a"}]}, "user", "a"),
        ({"role": "user", "content": "a", "name": "My Name"}, "user", "a"),
    ],
)
def test_turns_whose_meaning_is_clear(settings: Settings, turn: Body, role: str, content: str) -> None:
    first = meant(settings, turn)[0]
    assert (first.role, first.content) == (role, content)


def test_calls_with_an_object_and_without_a_type(settings: Settings) -> None:
    bare = {**CALL, "function": {"name": "weather"}}
    calls = [turn.extra["tool_calls"][0] for turn in meant(settings, CALLED, {**CALLED, "tool_calls": [bare]})[:2]]
    assert [call["type"] for call in calls] == ["function", "function"]
    assert [call["function"]["arguments"] for call in calls] == ['{"city":"東京"}', "{}"]


@pytest.mark.parametrize("call", [{"id": "c"}, {"id": "c", "function": {"name": ""}}])
async def test_a_call_of_nothing_is_refused(house: House, call: Body) -> None:
    body = {**BASES[CHAT], **spoken({"role": "assistant", "tool_calls": [call]})}
    status, told, _ = await house.ask("POST", CHAT, json.dumps(body), **JSON)
    assert (status, told["error"]["param"]) == (400, "messages[0].tool_calls[0].function.name")


async def test_names_that_others_refuse(house: House) -> None:
    long = {**FUNCTION, "function": {**FUNCTION["function"], "name": "my tool " * 10}}
    assert (await asked(house, CHAT, tools=[long])).chat.messages
    named = {"type": "json_schema", "json_schema": {"name": "my schema", "schema": {"type": "object"}}}
    assert (await asked(house, CHAT, response_format=named)).grammar is not None


@pytest.mark.parametrize(
    "extra", [{"user": {"id": 1}}, {"metadata": {"n": 1}}, {"service_tier": "batch"}, {"logprobs": 5, "n": 1.0}]
)
async def test_what_only_shapes_the_answer_takes_any_word(house: House, extra: Body) -> None:
    found = await asked(house, CHAT, **extra)
    assert found.logprobs == extra.get("logprobs")


@pytest.mark.parametrize("extra", [{"max_tokens": 1.5}, {"top_k": "40"}, {"seed": 1e300}, {"n": 0}, {"logprobs": "x"}])
async def test_what_is_unclear_is_still_refused(house: House, extra: Body) -> None:
    status, told, _ = await house.ask("POST", CHAT, json.dumps({**BASES[CHAT], **extra}), **JSON)
    assert (status, told["error"]["param"]) == (400, next(iter(extra)))
