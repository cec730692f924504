"""Tests each field of the bodies that are no chat: it works, it is accepted with a reason, or it is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hoshikage import wire
from hoshikage.params import Embedding, GenerationRequest, InfillPrompt, TextPrompt, TokenPrompt
from hoshikage.protocols.llama_server import native_schema
from hoshikage.protocols.openai import completions_schema, embeddings_schema
from tests.protocols.conftest import House, answer

JSON = {"Content-Type": "application/json"}
ANSWERED = {
    "/v1/completions": {"model": "tiny", "prompt": "a"},
    "/completion": {"prompt": "a"},
    "/infill": {"input_prefix": "a", "input_suffix": "b"},
}
WISHES: dict[str, Any] = {
    "lora": [{"id": 0, "scale": 1.0}],
    "image_data": [{"data": "", "id": 1}],
    "grammar_lazy": True,
    "grammar_triggers": [{"type": 0, "value": "x"}],
}
HARMLESS: dict[str, Any] = {
    "cache_prompt": True,
    "user": "me",
    "stream_options": {"include_obfuscation": True},
    "n_keep": 4,
    "n_discard": 2,
    "n_cache_reuse": 8,
    "id_slot": 3,
}
REFUSED = [
    *((path, name) for path in ("/completion", "/infill") for name in native_schema.NEUTRAL),
]
ACCEPTED = [
    *(("/v1/completions", name.partition(".")[0]) for name in completions_schema.WITHOUT_EFFECT),
    *((path, name) for path in ("/completion", "/infill") for name in native_schema.WITHOUT_EFFECT),
]


async def post(house: House, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    status, told, _ = await house.ask("POST", path, json.dumps(body), **JSON)
    return status, told


@pytest.mark.parametrize(("path", "name"), REFUSED)
async def test_what_is_not_there_is_refused_by_name(house: House, path: str, name: str) -> None:
    status, told = await post(house, path, {**ANSWERED[path], name: WISHES[name]})
    assert (status, told["error"]["param"], told["error"]["code"]) == (400, name, "unsupported_parameter")
    assert house.dispatcher.asked == []


@pytest.mark.parametrize(("path", "name"), ACCEPTED)
async def test_what_changes_nothing_is_accepted(house: House, path: str, name: str) -> None:
    await post(house, path, ANSWERED[path])
    status, _ = await post(house, path, {**ANSWERED[path], name: HARMLESS[name]})
    assert status == 200
    plain, given = (request for _, request in house.dispatcher.asked)
    assert plain == given


@pytest.mark.parametrize("path", ANSWERED)
async def test_what_nobody_documents_is_ignored_and_a_wrong_type_is_not(house: House, path: str) -> None:
    status, _ = await post(house, path, {**ANSWERED[path], "frobnicate": [1]})
    assert status == 200
    status, told = await post(house, path, {**ANSWERED[path], "top_k": "many"})
    assert (status, told["error"]["param"]) == (400, "top_k")


async def test_fields_reach_the_engine(house: House) -> None:
    body = {
        "model": "tiny",
        "prompt": [[1, 2], [3]],
        "max_tokens": 0,
        "n": 2,
        "echo": True,
        "logprobs": 3,
        "seed": 7,
        "stop": ["。"],
        "top_k": 5,
    }
    house.dispatcher.steps = [
        wire.Started(1, 5),
        wire.ChoiceEnd(1, 0, "length"),
        *answer(reason="length")[1:],
    ]
    status, told = await post(house, "/v1/completions", body)
    assert status == 200
    assert [choice["index"] for choice in told["choices"]] == [0, 1, 2, 3]
    first, second = (request for _, request in house.dispatcher.asked)
    assert (first.prompt, second.prompt) == (TokenPrompt((1, 2)), TokenPrompt((3,)))
    assert (first.max_tokens, first.choices, first.echo, first.logprobs) == (0, 2, True, 3)
    assert (first.sampling.seed, first.sampling.top_k) == (7, 5)
    assert first.stop == ("### END", "。")
    assert "<|im_end|>" in first.stop_tokens


async def test_a_prompt_of_ids_may_be_as_long_as_a_context(house: House) -> None:
    ids = list(range(10)) * 15_000
    house.dispatcher.steps = answer("a")
    assert (await post(house, "/v1/completions", {"model": "tiny", "prompt": ids}))[0] == 200
    ((_, request),) = house.dispatcher.asked
    assert request.prompt == TokenPrompt(tuple(ids))


async def test_a_suffix_and_an_infill_are_the_same_gap(house: House) -> None:
    await post(house, "/v1/completions", {"model": "tiny", "prompt": "a", "suffix": "b"})
    body = {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"text": "c", "filename": "d"}], "prompt": "x"}
    await post(house, "/infill", {**body, "n_predict": -1})
    first, second = (request.prompt for _, request in house.dispatcher.asked if isinstance(request, GenerationRequest))
    assert first == InfillPrompt("a", "b")
    assert second == InfillPrompt("ax", "b", (("d", "c"),), "input_suffix")


@pytest.mark.parametrize(("given", "limit"), [(-2, None), (-1, None), (0, 0), (9, 9)])
async def test_n_predict_below_0_is_as_much_as_there_is(house: House, given: int, limit: int | None) -> None:
    await post(house, "/completion", {"prompt": "a", "n_predict": given})
    (_, request) = house.dispatcher.asked[0]
    assert isinstance(request, GenerationRequest)
    assert (request.prompt, request.max_tokens) == (TextPrompt("a"), limit)


async def test_embedding_forms() -> None:
    forms: list[tuple[Any, tuple[Any, ...]]] = [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
    ]
    for given, inputs in forms:
        task = embeddings_schema.parse_embeddings({"model": "m", "input": given, "dimensions": 3, "user": "me"}).task
        assert task == Embedding(inputs, 3)


async def test_an_answer_that_is_cut_is_no_answer(house: House) -> None:
    house.dispatcher.steps = answer("a", reason="cancelled")
    for path, body in ANSWERED.items():
        status, told = await post(house, path, body)
        assert (status, told["error"]["code"]) == (500, "inference_failed")


async def test_a_late_failure_is_one_error_frame_without_done(house: House) -> None:
    house.dispatcher.steps = [wire.Started(1, 5), wire.Token(1, "星", 1), RuntimeError("secret")]
    async with house.session.post(
        f"{house.url}/v1/completions", data=json.dumps({**ANSWERED["/v1/completions"], "stream": True}), headers=JSON
    ) as response:
        frames = (await response.read()).decode().removesuffix("\n\n").split("\n\n")
    assert len(frames) == 2
    assert json.loads(frames[0].removeprefix("data: "))["choices"][0]["text"] == "星"
    assert json.loads(frames[1].removeprefix("data: "))["error"]["code"] == "internal_error"
    assert "secret" not in frames[1]
