"""Parts of a tool's schema that are no schema, told where no grammar is made of it and so nobody refuses it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hoshikage.tools.typed import referred

TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
NAMED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
LISTED: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
SINGLE: Final = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
NOWHERE: Final = object()


def broken_place(schema: Mapping[str, Any], place: str) -> str | None:
    """The first place, below `place`, where something is no schema or a reference leads nowhere; None without any."""
    pending: list[tuple[Any, str]] = [(schema, place)]
    while pending:
        node, at = pending.pop()
        if isinstance(node, bool):
            continue
        if not isinstance(node, Mapping) or not _has_type(node) or not _leads(node, schema):
            return at
        try:
            pending += reversed([*_within(node, at)])
        except (TypeError, AttributeError):
            return at
    return None


def _within(node: Mapping[str, Any], at: str) -> Iterator[tuple[Any, str]]:
    """Yields the parts of one. Raises TypeError, AttributeError where they are none."""
    for key in NAMED:
        if key in node:
            yield from ((part, f"{at}.{key}.{name}") for name, part in node[key].items())
    for key in LISTED:
        if key in node:
            if not isinstance(node[key], list):
                raise TypeError
            yield from ((part, f"{at}.{key}[{number}]") for number, part in enumerate(node[key]))
    for key in SINGLE:
        if key in node:
            parts = node[key] if key == "items" and isinstance(node[key], list) else None  # as older drafts have it
            yield from [(node[key], f"{at}.{key}")] if parts is None else ((part, f"{at}.{key}") for part in parts)


def _has_type(node: Mapping[str, Any]) -> bool:
    """Returns whether its types are such, where it has any."""
    if "type" not in node:
        return True
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return all(isinstance(one, str) and one in TYPES for one in types)


def _leads(node: Mapping[str, Any], root: Any) -> bool:
    """Returns whether its reference leads somewhere, where it has one within the schema."""
    place = node.get("$ref", "#")
    if not isinstance(place, str):
        return False
    if place != "#" and not place.startswith("#/"):
        return True
    # One that is written as in an address is another's affair.
    return "%" in place or referred(place, root, NOWHERE) is not NOWHERE
