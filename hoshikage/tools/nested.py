"""Lays out calls in notations of their own, whose values stand within each other: lists, and entries. Pure.

Each notation says how it writes a text, a number, a list and the entries of an object; here is what a schema asks of
them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

from hoshikage.params import SCHEMA_MARK
from hoshikage.tools.layout import Node, Parameters, one_of, parameters_of
from hoshikage.tools.texts import Room, Text, Unwritable, Values, as_whole, flat, text_of, values_of
from hoshikage.tools.typed import resolved

MAX_DEPTH: Final = 12
"""So many values may stand within each other; a schema that leads back to itself has no end."""
MAX_ITEMS: Final = 32
"""So many items of a list can be counted."""


class Notation(ABC):
    """Makes the layouts of one function's calls."""

    def __init__(self, name: str, schema: Mapping[str, Any] | None, rules: dict[str, Node]) -> None:
        """Rules of the layout are put into `rules`."""
        self.name = name
        self.root: Mapping[str, Any] = schema or {}
        self.is_free = schema is None
        """`is_free` tells whether the function's parameters may be anything."""
        self.strict = self.root.get(SCHEMA_MARK, {}).get("strict") is True
        self.rules = rules
        self._room = Room(self.root)
        self._depth = 0

    def parameters(self, schema: Any, place: str) -> Parameters:
        """Returns the parameters of the function, or of an object in it. Raises Unwritable."""
        return parameters_of(schema, self.root, place, strict=self.strict)

    def value(self, schema: Any, place: str, key: str = "") -> Node:
        """Returns what stands in one place, `key` being its name; anything where that cannot be held, which is told."""
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise Unwritable
            return self.held(schema, place, key)
        except Unwritable:
            return self.anything(place, key)
        finally:
            self._depth -= 1

    @abstractmethod
    def held(self, schema: Any, place: str, key: str) -> Node:
        """Returns what the schema takes, in this notation. Raises Unwritable."""

    @abstractmethod
    def anything(self, place: str, key: str) -> Node:
        """Returns any value that can be written, in the place of one that is not held to its schema."""

    def options(self, schema: Any) -> list[tuple[str, dict[str, Any]]]:
        """Returns what a schema takes, type by type, as texts.flat does. Raises Unwritable."""
        return list(flat(schema, self._room))

    def values(self, schema: Any, place: str) -> Values:
        """Returns the values that a schema takes, as texts.values_of does. Raises Unwritable."""
        return values_of(schema, self._room, place, strict=self.strict)

    def text(self, keywords: Mapping[str, Any], place: str) -> Text:
        """Returns what a text must be, as texts.text_of does. Raises Unwritable."""
        return text_of(keywords, place, strict=self.strict)

    def json(self, schema: Any, place: str) -> Node:
        """Returns a value as JSON. Raises Unwritable."""
        return ("json", as_whole(schema, self._room, place, strict=self.strict))

    def rule(self, node: Node) -> Node:
        """Returns the same node by a name, for what stands in several places."""
        name = next(name for number in count(len(self.rules)) if (name := f"n{number}") not in self.rules)
        self.rules[name] = node
        return ("rule", name)

    def is_plain(self, schema: Any, kind: str) -> bool:
        """Returns whether a schema says of itself that it is of one type, so that a reader knows what stands in it."""
        within = resolved(schema, self.root)
        return isinstance(within, Mapping) and within.get("type") == kind

    def separated(self, known: Sequence[tuple[Node, bool]], more: Node | None, comma: str) -> Node:
        """Returns entries with commas between them: each with whether it must be there, those first, and any number
        more."""
        behind: Node = "" if more is None else ("many", ("seq", comma, more))
        has_required = any(required for _, required in known)
        ways: list[Node] = [""] if more is None else ["", ("seq", more, behind)]
        for node, required in reversed(known):
            named = self.rule(node)
            further: Node = ("seq", comma, named)
            ways.append(("seq", named, behind))
            behind = self.rule(("seq", further if required else ("maybe", further), behind))
        return ways[-1] if has_required else one_of(ways)


def counted(keywords: Mapping[str, Any]) -> tuple[int, int | None]:
    """Returns how many items a list has, at least and at most. Raises Unwritable for what else it may be held to."""
    if keywords.keys() - {"items", "minItems", "maxItems", "type"}:
        raise Unwritable
    minimum, maximum = keywords.get("minItems", 0), keywords.get("maxItems")
    if not isinstance(minimum, int) or minimum > MAX_ITEMS or not isinstance(maximum, int | None):
        raise Unwritable
    if maximum is not None and (maximum > MAX_ITEMS or maximum < minimum):
        raise Unwritable
    return minimum, maximum


def listed(item: Node, keywords: Mapping[str, Any], comma: str = "") -> Node:
    """Returns items as many as `counted` says. Raises Unwritable."""
    minimum, maximum = counted(keywords)
    if maximum == 0:
        return ""
    further: Node = ("seq", comma, item) if comma else item
    more: Node = ("many", further)
    if maximum is not None:
        more = ""
        for _ in range(maximum - max(minimum, 1)):
            more = ("maybe", ("seq", further, more))
    some: Node = ("seq", item, *(further for _ in range(minimum - 1)), more)
    return some if minimum else ("maybe", some)
