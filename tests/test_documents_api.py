"""docs/API: its tables are the code's own routes, fields, errors and headers, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec import inspect

from hoshikage.api.cors import EXPOSED
from hoshikage.api.routes import ROUTES
from hoshikage.api.schema import anthropic, chat, completions, embeddings, native, responses
from hoshikage.api.schema.admin import NewModel
from hoshikage.api.schema.sampling import SamplingFields
from hoshikage.errors import HoshikageError
from hoshikage.registry import OPTIONS

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
PAGES: Final = ("API.md", "API.ja.md")
CODE: Final = re.compile(r"`([^`]+)`")
ERROR: Final = re.compile(r"^\| (\d{3}) \| `(\w+)` \| `(\w+)` \|", re.MULTILINE)
CHAT_TABLES: Final = 3
"""Under the third heading: what works, what changes nothing, what is refused."""

both = pytest.mark.parametrize("page", PAGES)


def _parts(page: str, depth: int) -> list[str]:
    """The page's parts below each heading of that depth."""
    return re.split(rf"^{'#' * depth} .*$", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE)[1:]


def _first_cells(part: str) -> list[str]:
    """All names in backticks in the first cells of the part's tables."""
    return [name for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for name in CODE.findall(row)]


def _fields(kind: type[Any], before: str = "") -> Iterator[str]:
    """Every field of a body, as messages name it: `messages[].content`."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        name = f"{before}{field.encode_name}"
        yield name
        yield from _inside(field.type, name)


def _inside(kind: inspect.Type, name: str) -> Iterator[str]:
    if isinstance(kind, inspect.Metadata):
        yield from _inside(kind.type, name)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _inside(one, name)
    elif isinstance(kind, inspect.ListType):
        yield from _inside(kind.item_type, f"{name}[]")
    elif isinstance(kind, inspect.StructType):
        yield from _fields(kind.cls, f"{name}.")


@both
def test_every_route_is_listed(page: str) -> None:
    listed = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|.* \| (.*) \|$", _parts(page, 2)[0], re.MULTILINE)
    assert [route for route, _ in listed] == [
        f"{method} {re.sub(r':[^}]*', '', path)}" for method, path, _, _ in ROUTES
    ]
    needs = [needs for _, _, _, needs in ROUTES]
    words = [word for _, word in listed]
    assert len(set(words)) == len(set(needs))
    assert len(set(zip(words, needs, strict=True))) == len(set(needs)), "each need has one word of its own"


@both
def test_every_field_of_a_chat_is_in_one_table(page: str) -> None:
    tables = [_first_cells(part) for part in _parts(page, 3)[:CHAT_TABLES]]
    listed = [name for table in tables for name in table]
    assert sorted(listed) == sorted(set(_fields(chat.ChatBody)))
    neutral = {name for name in tables[2] if not name.startswith("messages[]")}
    assert neutral == set(chat.NEUTRAL)
    assert {name for name in tables[1] if not name.startswith("prediction.")} == set(chat.WITHOUT_EFFECT)


@both
@pytest.mark.parametrize(
    ("heading", "number", "bodies"),
    [
        (4, 0, [responses.ResponsesBody]),
        (5, 0, [anthropic.MessagesBody]),
        (6, 0, [completions.CompletionBody]),
        (7, 0, [embeddings.EmbeddingsBody]),
        (7, 1, [embeddings.RerankBody]),
        (8, 0, [native.CompletionBody, native.InfillBody]),
    ],
    ids=["responses", "messages", "completions", "embeddings", "rerank", "native"],
)
def test_every_field_of_the_other_bodies_is_listed(
    page: str, heading: int, number: int, bodies: list[type[msgspec.Struct]]
) -> None:
    """But for those that say how tokens are chosen, which are the chat's."""
    tables = re.findall(r"(?:^\|.*\n)+", _parts(page, 2)[heading], re.MULTILINE)
    listed = _first_cells(tables[number])
    fields = {name for body in bodies for name in body.__struct_fields__}
    assert sorted(listed) == sorted(fields - set(SamplingFields.__struct_fields__))


@both
def test_every_field_of_the_small_bodies_is_listed(page: str) -> None:
    table = re.findall(r"(?:^\|.*\n)+", _parts(page, 2)[8], re.MULTILINE)[1]
    listed = {
        cells[0]: CODE.findall(cells[1]) for cells in re.findall(r"^\| `([^`]+)` \| (.*?) \|", table, re.MULTILINE)
    }
    assert set(listed["POST /tokenize"]) == set(native.TokenizeBody.__struct_fields__)
    assert set(listed["POST /detokenize"]) == set(native.DetokenizeBody.__struct_fields__)


@both
def test_every_field_of_a_new_model_is_listed(page: str) -> None:
    part = (DOCS / page).read_text("utf-8").partition("`POST /admin/models`")[2]
    table = next(part for part in re.split(r"\n\n", part) if "| `name` |" in part)
    assert _first_cells(table) == [*(field for field in NewModel.__struct_fields__), *(row.name for row in OPTIONS)]


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
    """The class and all below it that this package has; tests make classes of their own."""
    if kind.__module__ == HoshikageError.__module__:
        yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
