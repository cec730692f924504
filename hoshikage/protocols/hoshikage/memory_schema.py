"""Defines the body of POST /v1/memory/search. Any thread; pure."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.validation import convert

DEFAULT_LIMIT: Final = 10


class MemorySearch(Struct, frozen=True, kw_only=True):
    """This says what to look for."""

    query: Annotated[str, Meta(min_length=1, max_length=10_000)]
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    scope: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


SEARCH: Final = RequestBody(MemorySearch)


def parse(tree: Any) -> MemorySearch:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    return convert(tree, MemorySearch, {})
