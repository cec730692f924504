"""Sends requests made of /openapi.json, as it allows them and as it does not: no undeclared status, no 500, no hang.

The dispatcher is a stand-in that answers at once; tests/end_to_end/test_fuzzing has a real one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import pytest
from aiohttp import ClientSession

from hoshikage import wire
from hoshikage.dispatch.client import Note
from hoshikage.params import (
    Counting,
    Detokenization,
    Embedding,
    GenerationRequest,
    Ranking,
    Rendering,
    Tokenization,
    Work,
)
from hoshikage.protocols.hoshikage.openapi_document import OpenApiDocument
from hoshikage.protocols.routes import ROUTES
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings
from tests.protocols.conftest import GatedDispatcher, finished, serving
from tests.protocols.fuzzing import KINDS, Fuzzer
from tests.schema_values import Values

SEED: Final = 20_261_121
FITTING: Final = 500
MISSING: Final = 500
MIN_GOOD: Final = 25
"""So many of the fitting ones at least are answered, or the rest of the server was not reached."""
LOOKS: Final = 40
"""A route without a body has so many cases: there is little to vary."""
DOCUMENT: Final = OpenApiDocument(ROUTES)
SELDOM: Final = {
    ("POST", "/v1/memory/search"),
    ("POST", "/v1/audio/transcriptions"),
    *((route.method, route.plain_path) for route in ROUTES if route.needs == "admin"),
}
"""These need names or files that are there, a model that hears, or memory, which is off."""
HINTS: Final[dict[str, tuple[Any, ...]]] = {
    "model": ("tiny",),
    "type": KINDS,
    "content": ("Hello", "星"),
    "role": ("user", "user", "assistant", "system"),
    "path": ("/nowhere/model.gguf", "relative.gguf", "/", "/etc/hostname"),
}
LIKELY: Final = wire.Likely("星", "星".encode(), -0.5)


class AnyDispatcher(GatedDispatcher):
    """Answers every kind of work at once."""

    async def generate(self, spec: ModelSpec, request: Work) -> AsyncGenerator[Note, None]:
        if isinstance(request, Counting):
            yield finished()
        elif isinstance(request, GenerationRequest):
            for note in _answer(request):
                yield note
        elif isinstance(request, Embedding):
            for _ in request.inputs:
                yield wire.Vector(1, b"\0\0\x80\x3f" * 4)
        elif isinstance(request, Ranking):
            for _ in request.documents:
                yield wire.Score(1, 0.5)
        elif isinstance(request, Tokenization):
            yield wire.Tokens(1, (1, 2), (b"\xe6", "星".encode()))
        elif isinstance(request, Detokenization | Rendering):
            yield wire.Text(1, "星")
        if not isinstance(request, GenerationRequest):
            yield finished(completion_tokens=0)


def _answer(request: GenerationRequest) -> list[Note]:
    logprobs = None if request.logprobs is None else (wire.Chosen(LIKELY, (LIKELY,) * request.logprobs),)
    notes: list[Note] = [wire.Started(1, 5)]
    if request.echo:
        notes.append(wire.Echo(1, "星", logprobs))
    for choice in range(request.choices):
        notes.append(wire.Token(1, "星", choice + 1, choice, logprobs))
        if choice < request.choices - 1:
            notes.append(wire.ChoiceEnd(1, choice, "stop"))
    return [*notes, finished(completion_tokens=request.choices)]


@pytest.fixture
def values() -> Values:
    """Each test begins with the same seed, so that its requests do not depend on which tests ran before it."""
    return Values(DOCUMENT.tree("en"), SEED, HINTS)


OPERATIONS: Final = [
    pytest.param(method.upper(), path, operation, id=operation["operationId"])
    for path, methods in DOCUMENT.tree("en")["paths"].items()
    for method, operation in methods.items()
]


@pytest.fixture
async def fuzzer(settings: Settings, values: Values) -> AsyncIterator[Fuzzer]:
    async with serving(settings, dispatcher=AnyDispatcher()) as house:
        token = settings.admin_token_file.read_text().strip()
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            yield Fuzzer(session, house.url, DOCUMENT.tree("en"), values)


@pytest.mark.long
@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
async def test_every_answer_is_a_documented_one(
    fuzzer: Fuzzer, method: str, path: str, operation: dict[str, Any]
) -> None:
    if "requestBody" not in operation:
        for _ in range(LOOKS):
            await fuzzer.fitting(method, path, operation)
        assert fuzzer.met.total() == LOOKS
        return
    for _ in range(FITTING):
        await fuzzer.fitting(method, path, operation)
    for _ in range(MISSING):
        await fuzzer.missing(method, path, operation)
    await fuzzer.raw(method, path, operation)
    assert fuzzer.met.total() >= FITTING + MISSING
    good = fuzzer.met[f"{method} {path}", "fitting", 200]
    assert good >= MIN_GOOD or (method.upper(), path) in SELDOM, f"{good} were answered: the values are too wild"


async def test_what_is_not_documented_is_seen(fuzzer: Fuzzer) -> None:
    """The fuzzer itself can fail."""
    shown = DOCUMENT.tree("en")["paths"]["/v1/chat/completions"]["post"]
    without = {**shown, "responses": {"200": shown["responses"]["200"]}}
    with pytest.raises(AssertionError, match="undeclared"):
        await fuzzer.raw("POST", "/v1/chat/completions", without)
    narrow = {
        "type": "object",
        "properties": {"content": {"enum": [""]}, "other": {"type": "boolean"}},
        "required": ["content"],
    }
    wrong = {**shown, "requestBody": {"content": {"application/json": {"schema": narrow}}}}
    with pytest.raises(AssertionError, match="took what it does not document"):
        await _many(fuzzer, wrong)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_a_conversation_without_a_word_is_refused(fuzzer: Fuzzer, path: str) -> None:
    """A turn of no blocks was an IndexError here."""
    body = {"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": []}]}
    status, content = await fuzzer.post(path, body)
    assert (status, content["error"]["type"]) == (400, "invalid_request_error")


async def _many(fuzzer: Fuzzer, operation: dict[str, Any]) -> None:
    for _ in range(MISSING):
        await fuzzer.missing("POST", "/tokenize", operation)
