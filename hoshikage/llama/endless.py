"""Finds schemas and grammars that lead back to themselves before anything is written, so that no text fulfils them.
Pure.

Only what a linear scan sees: what must be followed at once, and without a choice. llguidance tells of the rest, and not
before the answer has come there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hoshikage.llama.bounds import referred
from hoshikage.params import SCHEMA_MARK


class Endless(ValueError):
    """A grammar has a place from which no answer ever ends."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


def check_rules(root: str, first: Mapping[str, Iterable[str]], needed: Mapping[str, Iterable[str]]) -> None:
    """Raises Endless with a rule's name where a rule cannot end. `first` leads from a rule to the rules that each of
    its texts begins with, `needed` to those that each has somewhere."""
    met = {root: None}
    pending = [root]
    while pending:
        new = [name for name in needed[pending.pop()] if name not in met]
        met.update(dict.fromkeys(new))
        pending += new
    way = circle(met, lambda name: first[name])
    if way:
        raise Endless(way[-1])


def check_schema(schema: Any, place: str) -> None:
    """Raises Endless with `place`, or that of a part which is marked (SCHEMA_MARK)."""
    nodes: dict[int, Any] = {}
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if id(node) in nodes or not isinstance(node, dict):
            continue
        nodes[id(node)] = node
        pending += [*_followed(schema, node), *_needed(node)]

    def followed(key: int) -> list[int]:
        return [id(part) for part in _followed(schema, nodes[key])]

    way = circle(nodes, followed)
    if way:
        marks = [mark for key in way if isinstance(mark := nodes[key].get(SCHEMA_MARK), dict)]
        raise Endless(str(marks[0].get("place")) if marks else place)


def _followed(schema: Any, node: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what a value of this schema must also be a value of."""
    result = [*referred(schema, node)]
    for name in ("allOf", "anyOf", "oneOf"):
        parts = node.get(name)
        if isinstance(parts, list) and (name == "allOf" or len(parts) == 1):
            result += parts
    return [part for part in result if isinstance(part, dict)]


def _needed(node: dict[str, Any]) -> list[Any]:
    """Returns what a value of this schema has in it, or may be."""
    required, properties = node.get("required"), node.get("properties")
    result = []
    if isinstance(required, list) and isinstance(properties, dict):
        result += [properties[name] for name in required if isinstance(name, str) and name in properties]
    for name in ("anyOf", "oneOf"):
        parts = node.get(name)
        result += parts if isinstance(parts, list) else []
    return [*result, *([node["items"]] if "items" in node and node.get("minItems") else [])]


def circle(starts: Iterable[Any], followed: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """Returns the way from a thing back to itself; empty where there is none."""
    done: set[Any] = set()
    for start in starts:
        if start in done:
            continue
        way = {start: iter(followed(start))}
        while way:
            name, rest = next(reversed(way.items()))
            part = next(rest, None)
            if part is None:
                del way[name]
                done.add(name)
            elif part in way:
                names = [*way]
                return names[names.index(part) :]
            elif part not in done:
                way[part] = iter(followed(part))
    return []
