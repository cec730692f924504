"""Calls that a grammar has forced: JSON and nothing else, and the schema that forces it. Any thread; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls, Schemas
from hoshikage.tools.cursor import Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.tool_format import ToolFormat

MAX_CALLS: Final = 16
"""An answer has no more calls, lest a model that finds no end of them fills its context with them."""


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from calls.attempt(cursor, json_calls(cursor, calls))
    yield from cursor.space()
    if cursor.rest:
        yield Content(cursor.take(len(cursor.rest)))


def schema(functions: Schemas, *, several: bool, otherwise: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON schema of an answer that calls one of these functions, or where `several` one or more of them.

    `otherwise`: or is an instance of this schema.
    """
    definitions: dict[str, Any] = {}
    options: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, "arguments": _placed(parameters, definitions)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for name, parameters in functions.items()
    ]
    made = options[0] if len(options) == 1 else {"anyOf": options}
    if several:
        made = {"type": "array", "items": made, "minItems": 1, "maxItems": MAX_CALLS}
    if otherwise is not None:
        made = {"anyOf": [made, _placed(otherwise, definitions)]}
    return {**made, "$defs": definitions} if definitions else made


def _placed(part: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema that can stand inside another: one that refers to itself becomes a definition of the whole."""
    name = f"part{len(definitions)}"
    moved = _moved(part, f"#/$defs/{name}")
    if moved == part:
        return dict(part) or {"type": "object"}
    definitions[name] = moved
    return {"$ref": f"#/$defs/{name}"}


def _moved(value: Any, root: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: root + item[1:]
            if key == "$ref" and isinstance(item, str) and item.startswith("#")
            else _moved(item, root)
            for key, item in value.items()
            if key not in ("$schema", "$id")
        }
    return [_moved(item, root) for item in value] if isinstance(value, list) else value


FORMAT: Final = ToolFormat("forced", parse, reads_bare_json=True)
