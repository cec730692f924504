"""Sends each row of docs/API's tables to the server: it works, or changes nothing for the engine, or is refused.

A field inside another is part of the value that is sent for the outer one.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage import wire
from hoshikage.answer.schema import chat
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.dispatch.client import Note
from hoshikage.params import Detokenization, Embedding, Ranking, Rendering, Tokenization, Work
from hoshikage.protocols.anthropic import messages_schema
from hoshikage.protocols.llama_server import native_schema
from hoshikage.protocols.ollama import ollama_schema
from hoshikage.protocols.openai import responses_schema
from hoshikage.registry import ModelSpec, OwnOptions, Registry
from hoshikage.settings import Settings
from tests.gguf_files import Gguf
from tests.media_samples import projector
from tests.protocols.conftest import House, answer, finished
from tests.protocols.field_values import BASES, OTHER_ROUTES, REFUSED, ROUTES, SAMPLING, VALUES, WITH, Body
from tests.test_documents_api import PROTOCOLS, Outcome, rows

NEUTRAL: Final[dict[str, dict[str, tuple[Any, ...]]]] = {
    "chat": chat.NEUTRAL,
    "responses": responses_schema.NEUTRAL,
    "messages": messages_schema.NEUTRAL,
    "completions": {},
    "native": native_schema.NEUTRAL,
    "ollama": ollama_schema.NEUTRAL,
}
KEPT: Final = "previous_response_id"
"""Has a test of its own, for it needs a response to be there."""
OF_THE_ANSWER: Final = frozenset(
    {
        "model",
        "name",
        "raw_scores",
        "return_text",
        "stream",
        "stream_options",
        "timings",
        "timings_per_token",
        "keep_alive",
        "ttl",
        "memory",
        "return_progress",
        "response_fields",
        "service_tier",
        "metadata",
        "store",
        "encoding_format",
        "top_n",
        "return_documents",
    }
)
"""These fields work without the engine: they say which model, or what the answer looks like."""
ANSWERING: Final = ("chat", "responses", "messages", "completions", "native", "ollama")

every = pytest.mark.parametrize("protocol", PROTOCOLS)
answering = pytest.mark.parametrize("protocol", ANSWERING)


class Server:
    """This is the application, whose model answers every kind of work; what it was asked for is kept."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._house = house
        self.asked: list[Work] = []
        monkeypatch.setattr(house.dispatcher, "generate", self._generate)

    async def _generate(self, spec: ModelSpec, work: Work) -> AsyncGenerator[Note, None]:
        assert spec.label == "tiny"
        self.asked.append(work)
        for note in _notes(work):
            yield note

    async def send(self, path: str, body: Body) -> tuple[int, str, list[Work]]:
        """Returns status, answer, and what the engine was asked for."""
        self.asked = []
        sent = {"Content-Type": "application/json", "Accept-Language": "en"}
        async with self._house.session.post(self._house.url + path, data=json.dumps(body), headers=sent) as response:
            return response.status, await response.text(), self.asked


@pytest.fixture
def server(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> Server:
    file = Gguf().write(tmp_path / "tiny.gguf")
    projected = str(projector().write(tmp_path / "mmproj.gguf"))
    beside = OwnOptions({"lora": [str(tmp_path / "adapter.gguf")], "mmproj": projected})
    Registry(settings.model_map_file).add("tiny", file, ["### END"], beside)
    return Server(house, monkeypatch)


def _notes(work: Work) -> list[Any]:
    end = finished()
    if isinstance(work, Embedding):
        return [*(wire.Vector(1, bytes(8)) for _ in work.inputs), end]
    if isinstance(work, Ranking):
        return [*(wire.Score(1, 0.5) for _ in work.documents), end]
    if isinstance(work, Tokenization):
        return [wire.Tokens(1, (5,), (b"a",)), end]
    if isinstance(work, Detokenization | Rendering):
        return [wire.Text(1, "a"), end]
    return answer("星", "影です")


def outcomes(protocol: str) -> dict[str, Outcome]:
    return {name: outcome for names, outcome in rows("API.md", protocol) for name in names}


def top(name: str) -> str:
    return re.split(r"[.\[]", name)[0]


def steps(name: str) -> list[str]:
    """Divides `a[].b` into a, [], b."""
    return re.findall(r"[^.\[\]]+|\[\]", name)


def holds(value: Any, path: list[str]) -> bool:
    if not path:
        return True
    if path[0] == "[]":
        return isinstance(value, list) and any(holds(one, path[1:]) for one in value)
    return isinstance(value, dict) and path[0] in value and holds(value[path[0]], path[1:])


def without(value: Any, path: list[str]) -> Any:
    """Returns `value` less what stands at the path."""
    if path[0] == "[]":
        return [without(one, path[1:]) for one in value] if isinstance(value, list) else value
    if not isinstance(value, dict) or path[0] not in value:
        return value
    rest = {name: one for name, one in value.items() if name != path[0]}
    return rest if len(path) == 1 else {**rest, path[0]: without(value[path[0]], path[1:])}


def request_with(protocol: str, field: str, value: Any) -> tuple[str, Body]:
    path = OTHER_ROUTES.get((protocol, field), ROUTES[protocol])
    return path, {**BASES[path], **WITH.get((protocol, field), {}), field: deepcopy(value)}


@every
def test_every_row_has_a_value(protocol: str) -> None:
    told = outcomes(protocol)
    assert set(REFUSED[protocol]) == {name for name, outcome in told.items() if outcome == "refused"}
    accepted = {name for name, outcome in told.items() if outcome != "refused"}
    assert {name for name in accepted - {KEPT} if not holds(VALUES[protocol], steps(name))} == set()
    assert set(SAMPLING) == set(SamplingFields.__struct_fields__)


@every
async def test_what_works_is_accepted_and_reaches_the_engine(server: Server, protocol: str) -> None:
    told = outcomes(protocol)
    for field in sorted({top(name) for name, outcome in told.items() if outcome == "works"} - {KEPT}):
        path, body = request_with(protocol, field, VALUES[protocol][field])
        status, text, asked = await server.send(path, body)
        assert status == 200, (field, text)
        if field not in OF_THE_ANSWER:
            usual = {field: BASES[path][field]} if field in BASES[path] else {}
            assert asked != (await server.send(path, {**without(body, [field]), **usual}))[2], field


@answering
async def test_each_way_to_choose_tokens_reaches_the_engine(server: Server, protocol: str) -> None:
    path = ROUTES[protocol]
    _, _, plain = await server.send(path, BASES[path])
    for field, value in SAMPLING.items():
        patch = {"options": {field: value}} if protocol == "ollama" else {field: value}
        status, text, asked = await server.send(path, {**BASES[path], **patch})
        assert status == 200, (field, text)
        assert len(asked) == len(plain) == 1
        assert asked != plain, field


@every
async def test_what_changes_nothing_changes_nothing(server: Server, protocol: str) -> None:
    told = outcomes(protocol)
    idle = sorted(name for name, outcome in told.items() if outcome == "nothing")
    for name in idle:
        outer = next(one for one in sorted(idle, key=len) if name == one or name.startswith((f"{one}.", f"{one}[")))
        path, body = request_with(protocol, top(name), VALUES[protocol][top(name)])
        lean = without(body, steps(outer))
        assert lean != body
        status, text, asked = await server.send(path, body)
        assert status == 200, (name, text)
        status, other, plain = await server.send(path, lean)
        assert status == 200, (name, other)
        assert asked == plain, name
        if protocol == "ollama_show":
            assert text == other


@every
async def test_what_cannot_be_done_is_refused_by_name(server: Server, protocol: str) -> None:
    for name, value in REFUSED[protocol].items():
        path, body = request_with(protocol, top(name), value)
        status, text, asked = await server.send(path, body)
        error = json.loads(text)["error"]
        words = error if isinstance(error, str) else error["message"]
        assert (status, asked) == (400, []), (name, text)
        assert name in re.sub(r"\[\d+\]", "[]", words)
        if isinstance(error, dict) and "param" in error:
            assert (re.sub(r"\[\d+\]", "[]", error["param"]), error["code"]) == (name, "unsupported_parameter")


@pytest.mark.parametrize("protocol", NEUTRAL)
async def test_asking_for_nothing_is_not_refused(server: Server, protocol: str) -> None:
    for name, values in NEUTRAL[protocol].items():
        for value in values:
            path, body = request_with(protocol, name, value)
            status, text, asked = await server.send(path, body)
            assert status == 200, (name, text)
            assert asked == (await server.send(path, BASES[path]))[2], name


async def test_a_response_goes_on_with_one_that_is_kept(server: Server) -> None:
    path = ROUTES["responses"]
    _, first, _ = await server.send(path, BASES[path])
    status, _, asked = await server.send(path, {**BASES[path], "previous_response_id": json.loads(first)["id"]})
    assert status == 200
    assert asked != (await server.send(path, BASES[path]))[2]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/tokenize",
            {"content": "a", "model": "tiny", "add_special": True, "parse_special": False, "with_pieces": True},
        ),
        ("/detokenize", {"tokens": [5], "model": "tiny"}),
        *(("/apply-template", {**BASES[ROUTES["chat"]], name: value}) for name, value in VALUES["chat"].items()
          if ("chat", name) not in WITH),
    ],
)  # fmt: skip
async def test_the_small_routes_take_their_fields(server: Server, path: str, body: Body) -> None:
    status, text, asked = await server.send(path, body)
    assert status == 200, text
    assert len(asked) == 1
