"""Answers and events of OpenAI's older routes against the openai SDK's own types, strictly.

Those types take any further field, so each one that is there has to be one that docs/API tells of. The newer routes
have this check beside their own tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.shared import ErrorObject
from pydantic import BaseModel

from hoshikage import wire
from hoshikage.dispatch.client import Note
from hoshikage.errors import ContextLengthExceeded, ModelCrashed, QueueFull
from hoshikage.params import Embedding, Work
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings
from tests.protocols.conftest import House, Step, answer, finished
from tests.protocols.test_chat_tools import CALL, THOUGHTS, TIME, USER, WEATHER, model, says
from tests.test_documents_api import DOCS, PAGES

JSON: Final = {"Content-Type": "application/json"}
CHAT: Final = "/v1/chat/completions"
TEXT: Final = "/v1/completions"
OURS: Final = {
    "ChatCompletion": {"timings", "warnings"},
    "ChatCompletionChunk": {"timings", "warnings"},
    "ChatCompletionMessage": {"reasoning_content"},
    "ChoiceDelta": {"reasoning_content"},
    "Completion": {"timings"},
    "ErrorObject": {"n_prompt_tokens", "n_ctx", "request_id"},
    "Model": {"parent", "available", "aliases", "context_length", "max_model_len", "meta", "architecture"},
}
"""Maps each type to the fields that OpenAI does not have."""
T = TypeVar("T", bound=BaseModel)

JUST_TEXT: Final = answer("星", "影です")
LIKELY: Final = wire.Likely("星", "星".encode(), -0.5)
HALF: Final = wire.Likely("", b"\xe6\x98", -0.25)
TOP: Final = (wire.Likely("x", b"x", -2.0), wire.Likely("\ufffd", b"\xe6\x98", -3))
TWO: Final[list[Step]] = [
    wire.Started(1, 5),
    wire.Token(1, "一", 1),
    wire.ChoiceEnd(1, 0, "stop"),
    wire.Token(1, "二", 2, 1),
    finished("length", choice=1),
]
PROBABLE: Final[list[Step]] = [
    wire.Started(1, 5),
    wire.Token(1, "星", 2, 0, (wire.Chosen(HALF, TOP), wire.Chosen(LIKELY, ()))),
    finished(),
]


def strictly(kind: type[T], tree: Any) -> T:
    """Returns `tree` as the SDK's type, without any field that is neither OpenAI's nor told of in docs/API."""
    found = kind.model_validate(tree, strict=True)
    for one in parts(found):
        assert set(one.model_extra or ()) <= OURS.get(type(one).__name__, set()), type(one).__name__
    return found


def parts(value: Any) -> Iterator[BaseModel]:
    """Yields all models in the value, itself too."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from parts(getattr(value, name))
    elif isinstance(value, list):
        for one in value:
            yield from parts(one)


@pytest.mark.parametrize("page", PAGES)
def test_what_openai_does_not_have_is_told_of(page: str) -> None:
    told = (DOCS / page).read_text("utf-8")
    for name in set().union(*OURS.values()):
        assert re.search(rf"`{name}\b", told), name


async def whole(house: House, path: str, **fields: Any) -> Any:
    status, told, _ = await house.ask("POST", path, json.dumps({"model": "tiny", **fields}), **JSON)
    assert status == 200, told
    return told


async def events(house: House, path: str, **fields: Any) -> list[Any]:
    """Returns all events of the stream but [DONE]."""
    body = json.dumps({"model": "tiny", "stream": True, **fields})
    async with house.session.post(house.url + path, data=body, headers=JSON) as response:
        assert response.status == 200
        frames = (await response.text()).removesuffix("\n\n").split("\n\n")
    assert frames.pop() == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


CASES: Final[dict[str, tuple[list[Step], dict[str, Any]]]] = {
    "plain": (JUST_TEXT, {}),
    "empty": (answer(), {}),
    "cut": (answer("星", reason="length"), {"service_tier": "flex"}),
    "usage": (JUST_TEXT, {"timings": True}),
    "choices": (TWO, {"n": 2}),
    "log probabilities": (PROBABLE, {"logprobs": True, "top_logprobs": 2}),
    "log probabilities alone": (PROBABLE, {"logprobs": True}),
}


@pytest.mark.parametrize("case", CASES)
async def test_chats(house: House, case: str) -> None:
    house.dispatcher.steps, fields = CASES[case]
    told = strictly(ChatCompletion, await whole(house, CHAT, messages=[USER], **fields))
    assert told.usage is not None
    usage = {"include_usage": True}
    chunks = [
        strictly(ChatCompletionChunk, event)
        for event in await events(house, CHAT, messages=[USER], stream_options=usage, **fields)
    ]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == told.usage
    for choice in told.choices:
        mine = [one for chunk in chunks for one in chunk.choices if one.index == choice.index]
        assert "".join(one.delta.content or "" for one in mine) == (choice.message.content or "")
        assert [one.finish_reason for one in mine if one.finish_reason] == [choice.finish_reason]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (CALL, {}),
        (f"Let me see.\n{CALL}\n{CALL}", {}),
        (f"{THOUGHTS}{CALL}", {}),
        (f"{THOUGHTS}Yes.", {}),
        ("<tool_call>\n{no\n</tool_call>", {}),
        (CALL, {"tool_choice": "required"}),
    ],
    ids=["call", "text and calls", "thoughts and call", "thoughts", "no call", "forced"],
)
async def test_tools(house: House, tmp_path: Path, text: str, fields: dict[str, Any]) -> None:
    model(tmp_path, "qwen3")
    says(house, *text)
    given = {"messages": [USER], "tools": [WEATHER, TIME], **fields}
    told = strictly(ChatCompletion, await whole(house, CHAT, **given)).choices[0]
    chunks = [strictly(ChatCompletionChunk, event) for event in await events(house, CHAT, **given)]
    begun = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or () if call.id]
    assert len(begun) == len(told.message.tool_calls or ())
    assert chunks[-1].choices[0].finish_reason == told.finish_reason


@pytest.mark.parametrize(
    ("steps", "fields"),
    [
        (JUST_TEXT, {}),
        (answer(), {"max_tokens": 0}),
        (JUST_TEXT, {"timings": True, "prompt": ["a", "b"]}),
        (TWO, {"n": 2}),
        (PROBABLE, {"logprobs": 2}),
        (PROBABLE, {"logprobs": 0}),
        ([wire.Started(1, 5), wire.Echo(1, "a"), *JUST_TEXT[1:]], {"echo": True}),
    ],
    ids=["plain", "empty", "prompts", "choices", "log probabilities", "log probabilities alone", "echo"],
)
async def test_completions(house: House, steps: list[Step], fields: dict[str, Any]) -> None:
    house.dispatcher.steps = steps
    given = {"prompt": "a", **fields}
    told = strictly(Completion, await whole(house, TEXT, **given))
    pieces = [
        strictly(Completion, ended(event))
        for event in await events(house, TEXT, stream_options={"include_usage": True}, **given)
    ]
    assert pieces[-1].choices == []
    assert pieces[-1].usage == told.usage
    for choice in told.choices:
        mine = [one.text for piece in pieces for one in piece.choices if one.index == choice.index]
        assert "".join(mine) == choice.text


def ended(event: Any) -> Any:
    """The SDK has one type for an answer and for a stream's pieces, which have no end, at OpenAI neither."""
    choices = [{**one, "finish_reason": one["finish_reason"] or "stop"} for one in event["choices"]]
    return {**event, "choices": choices}


async def test_models(house: House, settings: Settings) -> None:
    registry = Registry(settings.model_map_file)
    registry.add_persona("poet", "tiny", "You are a poet.")
    registry.add("gone", settings.model_map_file.with_name("gone.gguf"))
    registry.add_persona("lost", "gone", "You are lost.")
    registry.remove("gone")
    _, told, _ = await house.ask("GET", "/v1/models")
    assert set(told) == {"object", "data"}
    models = [strictly(Model, one) for one in told["data"]]
    assert {one.id for one in models} == {"tiny", "poet", "lost"}
    _, one, _ = await house.ask("GET", "/v1/models/poet")
    assert strictly(Model, one) in models


@pytest.mark.parametrize("given", ["a", ["a", "b"]])
async def test_embeddings(house: House, monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    async def generate(_spec: ModelSpec, work: Work) -> AsyncGenerator[Note, None]:
        assert isinstance(work, Embedding)
        for _ in work.inputs:
            yield wire.Vector(1, bytes(4) + b"\x00\x00\x80\x3f")
        yield finished()

    monkeypatch.setattr(house.dispatcher, "generate", generate)
    told = strictly(CreateEmbeddingResponse, await whole(house, "/v1/embeddings", input=given))
    assert told.data[0].embedding == [0.0, 1.0]
    async with house.sdk() as client:  # asks for base64 by itself
        typed = await client.embeddings.create(model="tiny", input=given)
    assert strictly(CreateEmbeddingResponse, typed.model_dump()) == told


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize(
    "error",
    [
        ContextLengthExceeded("engine.context_exceeded", param="messages", n_prompt_tokens=9000, n_ctx=4096),
        QueueFull("dispatch.queue_full", retry_after=7, bound=64),
        ModelCrashed("dispatch.crashed", reason="SIGSEGV"),
        RuntimeError("secret"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_errors(house: House, path: str, error: Exception) -> None:
    given: dict[str, Any] = {"messages": [USER]} if path == CHAT else {"prompt": "a"}
    body = json.dumps({"model": "tiny", "stream": True, **given})
    house.dispatcher.steps = [wire.Started(1, 5), error]
    status, told, _ = await house.ask("POST", path, body, **JSON)
    assert status >= 400
    assert set(told) == {"error"}
    early = strictly(ErrorObject, told["error"])
    house.dispatcher.steps = [wire.Started(1, 5), wire.Token(1, "星", 1), error]
    async with house.session.post(house.url + path, data=body, headers=JSON) as response:
        frames = (await response.text()).removesuffix("\n\n").split("\n\n")
    last = json.loads(frames[-1].removeprefix("data: "))
    assert set(last) == {"error"}
    assert strictly(ErrorObject, last["error"]).code == early.code


@pytest.mark.parametrize(
    ("path", "fields"),
    [(CHAT, {"model": "nobody", "messages": [USER]}), (CHAT, {"model": "tiny"}), (TEXT, {"model": 5}),
     (CHAT, {"model": "tiny", "messages": [USER], "audio": {}}), ("/v1/embeddings", {"model": "tiny"})],
)  # fmt: skip
async def test_refusals(house: House, path: str, fields: dict[str, Any]) -> None:
    status, told, _ = await house.ask("POST", path, json.dumps(fields), **JSON)
    assert status in (400, 404)
    assert set(told) == {"error"}
    assert strictly(ErrorObject, told["error"]).param is not None
