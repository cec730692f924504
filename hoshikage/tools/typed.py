"""Reads arguments written as bare text, given the types that the function's schema names. Any thread; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import EndOfText, Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import CallArguments
from hoshikage.tools.json_text import JsonScanner

JSON_TYPES: Final = ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (dict, "object"))
LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
MAX_NESTING: Final = 8
MAX_VALUE: Final = 1_000_000


class Arguments:
    """Writes the arguments of the open call as one JSON object, an entry after the other."""

    def __init__(self, calls: Calls, name: str) -> None:
        self._calls = calls
        self._root = _mapping(calls.schemas.get(name))
        self._of_all = _mapping(resolved(self._root, self._root))
        self._names: set[str] = set()

    def schema(self, name: str) -> Any:
        """Returns what the function's schema says of the entry `name`."""
        return property_of(self._of_all, name)

    def kinds(self, name: str) -> set[str]:
        """Returns the types that the schema allows the entry `name`; empty where it does not say."""
        return types_of(self.schema(name), self._root)

    @property
    def root(self) -> Mapping[str, Any]:
        """Gives the function's schema, which references lead into."""
        return self._root

    def key(self, name: str) -> CallArguments:
        """Opens an entry. Raises NotACall for a second of its name."""
        if name in self._names:
            raise NotACall
        lead = ", " if self._names else "{"
        self._names.add(name)
        return self._calls.piece(f"{lead}{_dumped(name)}: ")

    def value(self, value: Any) -> CallArguments:
        """Writes a value that has been read. Raises NotACall where JSON has none such."""
        return self._calls.piece(_dumped(value))

    def text(self, cursor: TextCursor, name: str, ends: Markers) -> Steps[str]:
        """Reads the value of the entry `name`, from the text up to one of `ends`; returns that. Raises EndOfText."""
        kinds = self.kinds(name)
        if kinds == {"string"}:
            return (yield from self.string(cursor, ends))
        text, end = (yield from _json_up_to(cursor, ends)) or (yield from cursor.collect(ends, MAX_VALUE))
        value = typed(text, kinds)
        # What is JSON stays as it was written: a number may say more than a double holds.
        yield self.value(value) if isinstance(value, str | bool) else self._calls.piece(text.strip())
        return end

    def close(self) -> CallArguments:
        return self._calls.piece("}" if self._names else "{}")

    def string(self, cursor: TextCursor, ends: Markers) -> Steps[str]:
        """Reads a value that is text, whatever the schema says; otherwise as `text`."""
        yield self._calls.piece('"')
        while True:
            start, met, end = ends.search(cursor.rest, cursor.ended)
            if start:
                yield self._calls.piece(_dumped(cursor.take(start))[1:-1])
            if met is not None:
                cursor.take(end - start)
                yield self._calls.piece('"')
                return met
            if cursor.ended:
                raise EndOfText
            yield None


def _json_up_to(cursor: TextCursor, ends: Markers) -> Steps[tuple[str, str] | None]:
    """An object or a list and the mark behind it, which may also stand in its texts; else nothing is read."""
    start, size = cursor.offset, 0
    yield from cursor.space()
    if cursor.rest[:1] in ("{", "["):
        scanner, texts = JsonScanner(), list[str]()
        while not scanner.done and not scanner.failed and size <= MAX_VALUE:
            piece, count = scanner.take(cursor.rest)
            texts.append(piece)
            size += len(cursor.take(count))
            if not scanner.done and not scanner.failed:
                if cursor.ended:
                    break
                yield None
        yield from cursor.space()
        at, met, end = ends.search(cursor.rest, cursor.ended)
        while scanner.done and not at and met is None and not cursor.ended:
            yield None
            at, met, end = ends.search(cursor.rest, cursor.ended)
        if scanner.done and not at and met is not None:
            cursor.take(end)
            return "".join(texts), met
    cursor.back(cursor.offset - start)
    return None


def types_of(schema: Any, root: Mapping[str, Any] = {}) -> set[str]:
    """The JSON types that a schema allows; empty where it does not say. `root`: where its references lead."""
    return _types_of(schema, root, set(), 0)


def _types_of(schema: Any, root: Mapping[str, Any], seen: set[int], depth: int) -> set[str]:
    """Collects the types; the parts in `seen` count already."""
    schema = _mapping(resolved(schema, root))
    result: set[str] = set()
    if id(schema) in seen:
        return result
    seen.add(id(schema))
    kind = schema.get("type")
    result.update(name for name in (kind if isinstance(kind, list) else [kind]) if isinstance(name, str))
    for word in ("anyOf", "oneOf", "allOf"):
        options = schema.get(word)
        if isinstance(options, list) and depth < MAX_NESTING:
            result.update(*(_types_of(option, root, seen, depth + 1) for option in options))
    if not result:
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        values = values if isinstance(values, list) else []
        result = {_type_of(value) for value in values}
    return result


def typed(text: str, kinds: set[str]) -> Any:
    """Returns `text` as a value of one of these types; as it stands where it is none."""
    text = text.strip() if kinds and "string" not in kinds else text
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        lowered = text.lower()
        return lowered == "true" if "boolean" in kinds and lowered in ("true", "false") else text
    if "string" not in kinds:
        return value
    kind = _type_of(value)
    if kind == "string" or not kinds & ({kind, "number"} if kind == "integer" else {kind}):
        return text
    return value


def property_of(schema: Any, name: str) -> Any:
    """Returns what an object's schema says of the entry `name`; None where it says nothing."""
    schema = _mapping(schema)
    others = schema.get("additionalProperties")
    return _mapping(schema.get("properties")).get(name, others if isinstance(others, Mapping) else None)


def resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """Returns what a schema's references come to; nothing where they lead nowhere, or round and round."""
    for _ in range(MAX_NESTING):
        place = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(place, str):
            return schema
        schema = referred(place, root)
    return {}


def referred(place: str, root: Mapping[str, Any], nowhere: Any = None) -> Any:
    """Returns what stands at this place of a schema, as `#/$defs/name`; `nowhere`, else an empty schema, where nothing
    does."""
    missing: Any = {} if nowhere is None else nowhere
    result: Any = root
    for step in place.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(result, list) and name.isdecimal() and int(name) < len(result):
            result = result[int(name)]
        elif isinstance(result, Mapping) and name in result:
            result = result[name]
        else:
            return missing
    return result if place.startswith("#") else missing


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in JSON_TYPES if isinstance(value, kind)), "array")


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _dumped(value: Any) -> str:
    try:
        return LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise NotACall from None
