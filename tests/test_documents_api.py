"""Tests docs/API: its tables are the code's own routes, fields, errors and headers, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pytest
from msgspec import inspect

from hoshikage.answer.schema import chat
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.errors import HoshikageError
from hoshikage.http.cors import EXPOSED
from hoshikage.options import OWN
from hoshikage.protocols.anthropic import messages_schema
from hoshikage.protocols.hoshikage.admin_schema import NewModel
from hoshikage.protocols.llama_server import native_schema
from hoshikage.protocols.ollama import ollama_schema
from hoshikage.protocols.openai import completions_schema, embeddings_schema, responses_schema
from hoshikage.protocols.routes import ROUTES

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
PAGES: Final = ("API.md", "API.ja.md")
CODE: Final = re.compile(r"`([^`]+)`")
ERROR: Final = re.compile(r"^\| (\d{3}) \| `(\w+)` \| `(\w+)` \|", re.MULTILINE)
NOTHING: Final = re.compile(r"changes? nothing|何も変えない")
REFUSED: Final = re.compile(r"refused with any other value|ほかの値は断る")
Outcome = Literal["works", "nothing", "refused"]
CHAT_TABLES: Final[tuple[Outcome, ...]] = ("works", "nothing", "refused")
"""The first tables under headings of the third depth mean these."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol's table stands here (heading of the second depth, and which table below it), and tells of these."""

    heading: int
    number: int
    bodies: tuple[type[Any], ...]
    without: frozenset[str] = frozenset()
    neutral: frozenset[str] = frozenset()


def _protocol(heading: int, number: int, *bodies: type[Any], of: Any = None) -> Protocol:
    without, neutral = getattr(of, "WITHOUT_EFFECT", {}), getattr(of, "NEUTRAL", {})
    return Protocol(heading, number, bodies, frozenset(without), frozenset(neutral))


OLLAMA_REFUSED: Final = {
    *ollama_schema.NEUTRAL,
}
PROTOCOLS: Final = {
    "chat": Protocol(2, 0, (chat.ChatBody,), frozenset(chat.WITHOUT_EFFECT), frozenset(chat.NEUTRAL)),
    "responses": _protocol(4, 0, responses_schema.ResponsesBody, of=responses_schema),
    "messages": _protocol(5, 0, messages_schema.MessagesBody, of=messages_schema),
    "completions": _protocol(6, 0, completions_schema.CompletionBody, of=completions_schema),
    "embeddings": _protocol(7, 0, embeddings_schema.EmbeddingsBody, of=embeddings_schema),
    "rerank": _protocol(7, 1, embeddings_schema.RerankBody),
    "native": _protocol(8, 0, native_schema.NativeCompletionBody, native_schema.InfillBody, of=native_schema),
    "ollama": Protocol(
        9,
        0,
        (ollama_schema.ChatRequest, ollama_schema.GenerateRequest),
        frozenset(ollama_schema.WITHOUT_EFFECT) - {"verbose"},
        frozenset(OLLAMA_REFUSED),
    ),
    "ollama_embed": Protocol(9, 1, (ollama_schema.EmbedRequest,), frozenset({"options"})),
    "ollama_show": Protocol(9, 2, (ollama_schema.ShowRequest,), frozenset({"verbose"})),
}

both = pytest.mark.parametrize("page", PAGES)


def _parts(page: str, depth: int) -> list[str]:
    """Returns the page's parts below each heading of that depth."""
    return re.split(rf"^{'#' * depth} .*$", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE)[1:]


def _first_cells(part: str) -> list[str]:
    """Returns all names in backticks in the first cells of the part's tables."""
    return [name for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for name in CODE.findall(row)]


def _fields(kind: type[Any], before: str = "", known: set[type[Any]] | None = None) -> Iterator[str]:
    """Yields every field of a body, as messages name it: `messages[].content`. Of a kind that is `known` there are
    none."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    if known is not None:
        known.add(kind)
    for field in info.fields:
        name = f"{before}{field.encode_name}"
        yield name
        yield from _inside(field.type, name, known)


def _inside(kind: inspect.Type, name: str, known: set[type[Any]] | None) -> Iterator[str]:
    if isinstance(kind, inspect.Metadata):
        yield from _inside(kind.type, name, known)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _inside(one, name, known)
    elif isinstance(kind, inspect.ListType):
        yield from _inside(kind.item_type, f"{name}[]", known)
    elif isinstance(kind, inspect.StructType) and kind.cls not in (known or ()):
        yield from _fields(kind.cls, f"{name}.", known)


@both
def test_every_route_is_listed(page: str) -> None:
    listed = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|.* \| (.*) \|$", _parts(page, 2)[0], re.MULTILINE)
    assert [route for route, _ in listed] == [f"{row.method} {row.plain_path}" for row in ROUTES]
    needs = [row.needs for row in ROUTES]
    words = [word for _, word in listed]
    assert len(set(words)) == len(set(needs))
    assert len(set(zip(words, needs, strict=True))) == len(set(needs)), "each need has one word of its own"


@both
def test_every_other_name_of_a_route_is_listed(page: str) -> None:
    listed = re.findall(r"^\| `(/[^`]*)` \| (.*) \|$", _parts(page, 2)[0], re.MULTILINE)
    assert {path: tuple(CODE.findall(names)) for path, names in listed} == {
        row.path: row.other_paths for row in ROUTES if row.other_paths
    }


def rows(page: str, protocol: str) -> list[tuple[tuple[str, ...], Outcome]]:
    """Returns each row of the protocol's tables: its fields, and what it says becomes of them."""
    if protocol == "chat":
        parts = _parts(page, 3)[: len(CHAT_TABLES)]
        return [
            (tuple(CODE.findall(names)), outcome)
            for part, outcome in zip(parts, CHAT_TABLES, strict=True)
            for names in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
        ]
    where = PROTOCOLS[protocol]
    table = re.findall(r"(?:^\|.*\n)+", _parts(page, 2)[where.heading], re.MULTILINE)[where.number]
    found = re.findall(r"^\| (`.*?) \| .* \| (.*?) \|$", table, re.MULTILINE)
    return [(tuple(CODE.findall(names)), _outcome(words)) for names, words in found]


def _outcome(words: str) -> Outcome:
    if NOTHING.match(words):
        return "nothing"
    return "refused" if REFUSED.match(words) else "works"


def _expected(protocol: str) -> set[str]:
    where = PROTOCOLS[protocol]
    names = {*where.without, *where.neutral}
    kinds: set[type[Any]] = set()
    if protocol != "chat":
        list(_fields(chat.ChatBody, known=kinds))  # what a chat has too stands in the chat's tables
        names -= set(SamplingFields.__struct_fields__)
    for body in where.bodies:
        names |= set(_fields(body, known=None if protocol == "chat" else kinds))
    shared = {f"{before}{name}" for name in SamplingFields.__struct_fields__ for before in ("", "options.")}
    return names if protocol == "chat" else names - shared


@both
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_field_of_a_body_is_listed_with_what_becomes_of_it(page: str, protocol: str) -> None:
    """Those are left out that say how tokens are chosen, which stand in the chat's table."""
    where = PROTOCOLS[protocol]
    listed = [name for names, _ in rows(page, protocol) for name in names]
    assert sorted(listed) == sorted(_expected(protocol))
    outcomes = {name: outcome for names, outcome in rows(page, protocol) for name in names}
    assert {name for name, outcome in outcomes.items() if outcome == "refused"} == set(where.neutral)
    nothing = {name for name, outcome in outcomes.items() if outcome == "nothing"}
    assert where.without <= nothing
    for name in nothing - where.without:  # what has such a field inside, or stands inside of one
        assert any(name.startswith(f"{one}.") or one.startswith(f"{name}.") for one in where.without), name


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_both_languages_have_the_same_rows(protocol: str) -> None:
    english, japanese = (rows(page, protocol) for page in PAGES)
    assert english == japanese


@both
def test_every_field_of_the_small_bodies_is_listed(page: str) -> None:
    table = re.findall(r"(?:^\|.*\n)+", _parts(page, 2)[8], re.MULTILINE)[1]
    listed = {
        cells[0]: CODE.findall(cells[1]) for cells in re.findall(r"^\| `([^`]+)` \| (.*?) \|", table, re.MULTILINE)
    }
    assert set(listed["POST /embedding"]) == set(native_schema.NativeEmbeddingBody.__struct_fields__)
    assert set(listed["POST /tokenize"]) == set(native_schema.TokenizeBody.__struct_fields__)
    assert set(listed["POST /detokenize"]) == set(native_schema.DetokenizeBody.__struct_fields__)


@both
def test_every_field_of_a_new_model_is_listed(page: str) -> None:
    part = (DOCS / page).read_text("utf-8").partition("`POST /admin/models`")[2]
    table = next(part for part in re.split(r"\n\n", part) if "| `name` |" in part)
    assert _first_cells(table) == [*(field for field in NewModel.__struct_fields__), *(row.name for row in OWN)]


@both
def test_every_error_is_listed(page: str) -> None:
    listed = ERROR.findall((DOCS / page).read_text("utf-8"))
    assert len(listed) == len(set(listed))
    assert set(listed) == {(str(kind.status), kind.type, kind.code) for kind in _kinds(HoshikageError)}
    assert [status for status, _, _ in listed] == sorted(status for status, _, _ in listed)


@both
def test_headers_that_pages_may_read_are_listed(page: str) -> None:
    listed = {name.lower() for part in _parts(page, 2) for name in _first_cells(part)}
    assert {name.strip() for name in EXPOSED.split(",")} <= listed


@both
def test_the_examples_are_json(page: str) -> None:
    blocks = re.findall(r"^```json\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert isinstance(msgspec.json.decode(block), dict)


def _kinds(kind: type[HoshikageError]) -> Iterator[type[HoshikageError]]:
    """Yields the class and all below it that this package has; tests make classes of their own."""
    if kind.__module__ == HoshikageError.__module__:
        yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
