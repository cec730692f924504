"""Finds the part of a schema, or of a layout's schemas, that a compiler refuses, by trying its parts alone. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hoshikage.llama.bounds import referred
from hoshikage.llama.json_schema import NAMED
from hoshikage.params import SCHEMA_MARK

MAX_SECONDS: Final = 1.0
"""The search may take so long; then the place is told as far as it is known."""
LISTED: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
SINGLE: Final = ("items", "additionalProperties")
WHOLE: Final = "#/$defs/whole"
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """This part is refused alone, and none of its own parts is."""

    node: Any
    path: Path
    """`path` is the way to it from the root of the whole."""
    place: str
    """The request has it at `place`, as `tools.find.properties.city`."""
    owner: str
    """`owner` is the place of the marked schema (SCHEMA_MARK) that it is in; empty where none of the whole is."""
    strict: bool
    reason: str = ""

    def left_out(self, tree: Any) -> None:
        """Puts in its place, in `tree`, what takes any value: of a function's whole arguments, any object."""
        *way, last = self.path
        for step in way:
            tree = tree[step]
        mark = self.node.get(SCHEMA_MARK) if isinstance(self.node, dict) else None
        tree[last] = {} if mark is None else {"type": "object", SCHEMA_MARK: mark}


def refused_part(tree: Any, place: str, *, strict: bool, why: Callable[[Any], str]) -> RefusedPart | None:
    """Returns the part of `tree`, a schema or a layout, that makes it refused; None where no part alone is refused, or
    it belongs to nobody's schema. `why` says why a schema is refused, or nothing."""
    trials = _Trials(why)
    for path, schema in _schemas(tree):
        culprit = trials.search(RefusedPart(schema, path, place, "", strict))
        if culprit is not None:
            return culprit
    return None


def _schemas(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yields the schemas of a layout, each of its own; a schema is the only one."""
    if "start" not in tree or "$ref" in tree or not isinstance(tree["start"], list | str):
        yield path, tree
        return
    pending: list[tuple[Path, Any]] = [(("start",), tree["start"])]
    pending += [(("rules", name), node) for name, node in tree.get("rules", {}).items()]
    while pending:
        way, node = pending.pop()
        if isinstance(node, list) and node[:1] == ["json"]:
            yield (*way, 1), node[1]
        elif isinstance(node, list) and node[:1] not in (["text"], ["gbnf"]):
            pending += [((*way, at), part) for at, part in enumerate(node)]


class _Trials:
    def __init__(self, why: Callable[[Any], str]) -> None:
        self._why = why
        self._end = time.monotonic() + MAX_SECONDS

    def search(self, whole: RefusedPart) -> RefusedPart | None:
        moved = _moved(whole.node)
        has_marks = SCHEMA_MARK in json.dumps(moved)
        part = _owned(RefusedPart(moved, whole.path, whole.place, "", whole.strict))
        known = {id(one.node): one for one in _all_within(part) if isinstance(one.node, dict)}
        seen = {id(part.node)}
        reason = self._why(whole.node)
        if not reason:
            return None
        while (inner := self._refused_within(part, moved, known, seen)) is not None:
            part, reason = inner
        if has_marks and not part.owner:
            return None
        return RefusedPart(part.node, part.path, part.place, part.owner, part.strict, reason)

    def _refused_within(
        self, part: RefusedPart, moved: Any, known: dict[int, RefusedPart], seen: set[int]
    ) -> tuple[RefusedPart, str] | None:
        referred_to = [
            known[id(node)] for node in referred({"$defs": {"whole": moved}}, part.node) if id(node) in known
        ]
        for one in (*_within(part), *referred_to):
            if isinstance(one.node, bool) or id(one.node) in seen:
                continue
            if time.monotonic() > self._end:
                return None
            if not isinstance(one.node, dict):
                return one, self._why({"anyOf": [one.node]})
            seen.add(id(one.node))
            alone = {key: value for key, value in one.node.items() if key != "$defs"}
            whole = {"$defs": {"whole": moved}} if '"$ref"' in json.dumps(alone) else {}
            if reason := self._why({**alone, **whole}):
                return one, reason
        return None


def _all_within(part: RefusedPart) -> Iterator[RefusedPart]:
    pending = [part]
    while pending:
        one = pending.pop()
        yield one
        pending += _within(one)


def _within(part: RefusedPart) -> list[RefusedPart]:
    """Lists the parts of one: definitions, which need not be used, come last."""
    if not isinstance(part.node, dict):
        return []
    inside: list[tuple[Path, str, Any]] = []
    for key, value in sorted(part.node.items(), key=lambda item: item[0] in ("$defs", "definitions")):
        if key in NAMED and isinstance(value, dict):
            inside += [((key, name), f".{key}.{name}", inner) for name, inner in value.items()]
        elif key in LISTED and isinstance(value, list):
            inside += [((key, at), f".{key}[{at}]", inner) for at, inner in enumerate(value)]
        elif key in SINGLE:
            inside.append(((key,), f".{key}", value))
    return [
        _owned(RefusedPart(node, (*part.path, *way), part.place + where, part.owner, part.strict))
        for way, where, node in inside
    ]


def _owned(part: RefusedPart) -> RefusedPart:
    """Returns the part with the place and the strictness that it is marked with."""
    mark = part.node.get(SCHEMA_MARK) if isinstance(part.node, dict) else None
    if not isinstance(mark, dict):
        return part
    place = str(mark.get("place"))
    return RefusedPart(part.node, part.path, place, place, mark.get("strict") is True)


def _moved(value: Any) -> Any:
    """Returns the schema as a definition of another."""
    if isinstance(value, dict):
        return {
            key: WHOLE + item[1:] if key == "$ref" and isinstance(item, str) and item.startswith("#") else _moved(item)
            for key, item in value.items()
            if key not in ("$schema", "$id")
        }
    return [_moved(item) for item in value] if isinstance(value, list) else value
