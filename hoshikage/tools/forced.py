"""Calls that a grammar has forced: JSON and nothing else. Any thread; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Cursor, Steps
from hoshikage.tools.deltas import Content
from hoshikage.tools.form import Format
from hoshikage.tools.json_text import json_calls


def parse(cursor: Cursor, calls: Calls) -> Steps[None]:
    yield from calls.attempt(cursor, json_calls(cursor, calls))
    yield from cursor.space()
    if cursor.rest:
        yield Content(cursor.take(len(cursor.rest)))


def schema(functions: Iterable[tuple[str, Mapping[str, Any]]], *, parallel: bool) -> dict[str, Any]:
    """The JSON schema of an answer that calls one of these functions, or where `parallel` one or more of them."""
    options = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, "arguments": dict(parameters) or {"type": "object"}},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for name, parameters in functions
    ]
    call = options[0] if len(options) == 1 else {"anyOf": options}
    return {"type": "array", "items": call, "minItems": 1} if parallel else call


FORMAT: Final = Format("forced", parse)
