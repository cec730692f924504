"""Lays out calls whose arguments are no JSON: what a grammar can hold it to, from its head on. Pure.

A layout is a tree, in JSON of lists: a text that stands as it is; ["text", before, texts.Text, behind]; ["json",
schema]; ["gbnf", rules, function] where a function's text has a grammar; ["seq", …], ["any", …], ["maybe", …] and
["many", …] of such; ["rule", name] of one in "rules" beside "start".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hoshikage.params import SCHEMA_MARK
from hoshikage.tools.texts import ANNOTATIONS, Room, Text, Unwritable, Values, values_of
from hoshikage.tools.typed import resolved

Node = str | tuple[Any, ...]
Functions = Mapping[str, Mapping[str, Any] | None]
"""The name of a function leads here to the schema of its parameters, marked (SCHEMA_MARK); None where they may be
anything."""
GAP: Final[Node] = ("maybe", "\n")
NAME: Final = re.compile(r"[^\s<>\"&{}](?:[^\x00-\x1f<>\"&{}]{0,254}[^\s<>\"&{}])?")
"""These are the names that tags can have as they are."""
ANY_NAME: Final[Text] = {"re": '[^\\s<>"&{}]{1,64}'}
KEYWORDS: Final = frozenset({"type", "properties", "required", "additionalProperties"})


class CallLayout:
    """Makes the layouts of one format's calls, from behind the text that its `held` finds."""

    def __init__(
        self,
        call: Callable[[str, Mapping[str, Any] | None, dict[str, Node]], Node],
        around: tuple[str, str, str] | None = None,
    ) -> None:
        """`call` makes the layout of a function and its schema, with a place for rules; it raises Unwritable where that
        cannot be held. `around` stands before a list of calls, between them and behind."""
        self._call = call
        self._around = around

    def of(self, functions: Functions) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Makes the layout, and returns it with the functions whose parameters it leaves free although they have a
        schema. Raises Unwritable for a name that the format cannot write."""
        options: list[Node] = []
        free: list[str] = []
        rules: dict[str, Node] = {}
        for name, schema in functions.items():
            if NAME.fullmatch(name) is None:
                raise Unwritable
            try:
                options.append(self._call(name, schema, rules))
            except Unwritable:
                free.append(name)
                options.append(self._call(name, None, rules))
        rules["call"] = one_of(options)
        start: Node = ("rule", "call")
        if self._around is not None:
            before, between, behind = self._around
            start = ("seq", before, start, ("many", ("seq", between, start)), behind)
        return {"start": start, "rules": rules}, tuple(free)


@dataclass(frozen=True, slots=True)
class Parameter:
    """This is one parameter."""

    name: str
    required: bool
    schema: Any
    place: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """These are the parameters of a function, or the entries of an object: those that must be there first."""

    known: tuple[Parameter, ...]
    more: Any
    """`more` is the schema of those with other names; None where there are none."""
    place: str
    strict: bool

    @property
    def other_name(self) -> Text:
        """Gives a name that is none of the known."""
        return ["and", ANY_NAME, *(["not", {"is": one.name}] for one in self.known)] if self.known else ANY_NAME


def parameters_of(schema: Any, root: Mapping[str, Any], place: str, *, strict: bool) -> Parameters:
    """Returns the parameters that an object's schema has; None stands for any. Raises Unwritable."""
    if schema is None:
        return Parameters((), True, place, False)
    outer, schema = schema, resolved(schema, root)
    if not isinstance(schema, Mapping) or ("$ref" in outer and not schema) or schema.get("type", "object") != "object":
        raise Unwritable
    if any(word not in KEYWORDS | ANNOTATIONS and word != "$ref" and not word.startswith("x-") for word in schema):
        raise Unwritable
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        raise Unwritable
    names = dict.fromkeys((*filter(properties.__contains__, required), *required, *properties))
    if any(not isinstance(name, str) or NAME.fullmatch(name) is None for name in names):
        raise Unwritable
    known = tuple(
        Parameter(name, name in required, properties.get(name, True), f"{place}.properties.{name}") for name in names
    )
    more = schema.get("additionalProperties", "properties" not in schema)
    return Parameters(known, None if more is False else more, place, strict)


@dataclass(frozen=True, slots=True)
class TextForm:
    """This is one way to write a text."""

    before: str = ""
    behind: str = ""
    without: tuple[str, ...] = ()
    """These texts must not be in it, lest a reader ends there."""
    not_first: str = ""
    not_last: str = ""

    def node(self, text: Text) -> Node:
        """Makes a text of this kind."""
        barred = [f"(?s:.*){re.escape(one)}(?s:.*)" for one in self.without]
        barred += [f"{re.escape(self.not_first)}(?s:.*)"] if self.not_first else []
        barred += [f"(?s:.*){re.escape(self.not_last)}"] if self.not_last else []
        return ("text", self.before, ["and", text, *(["not", {"re": one}] for one in barred)], self.behind)


@dataclass(frozen=True, slots=True)
class TagLayout:
    """In such calls parameters stand one behind the other, each between tags."""

    head: tuple[Node, ...]
    """`head` is what stands up to the first parameter; `{}` is the function's name."""
    key: tuple[Node, ...]
    """`key` stands in front of a value; `{}` is the parameter's name."""
    end: str
    """`end` stands behind a value."""
    close: str
    """`close` stands behind the last parameter."""
    forms: tuple[TextForm, ...]
    json_key: tuple[Node, ...] = ()
    """`json_key` is what `key` is, in front of what is no text, where the format tells the two apart."""
    gap: Node = GAP
    """`gap` stands between tags."""

    def call(self, name: str, schema: Mapping[str, Any] | None, _rules: dict[str, Node]) -> Node:
        """Returns the layout of one function's call. Raises Unwritable."""
        root = schema or {}
        room = Room(root)
        mark = root.get(SCHEMA_MARK, {})
        entries = parameters_of(schema, root, f"tools.{name}", strict=mark.get("strict") is True)
        parts: list[Node] = [*_named(self.head, name), self.gap]
        for one in entries.known:
            values = _values(one.schema, room, one.place, strict=entries.strict)
            entry: Node = ("seq", self._entry(values, partial(_named, name=one.name)), self.gap)
            parts.append(entry if one.required else ("maybe", entry))
        if entries.more is not None:
            values = _values(entries.more, room, f"{entries.place}.additionalProperties", strict=entries.strict)
            other = self._entry(values, partial(_open, name=entries.other_name))
            parts.append(("many", ("seq", other, self.gap)))
        return ("seq", *parts, self.close)

    def _entry(self, values: Values, key: Callable[[tuple[Node, ...]], list[Node]]) -> Node:
        options: list[Node] = []
        json_key = key(self.json_key or self.key)
        if values.text is not None:
            text = values.text if self.json_key else values.bare
            written = one_of([form.node(text) for form in self.forms])
            options.append(("seq", *key(self.key), written))
            if self.json_key and values.scalars is not None:
                options.append(("seq", *json_key, ("text", "", values.scalars, self.end)))
        breaks = [GAP] if self.forms[0].before == "\n" else []
        options += [("seq", *json_key, *breaks, ("json", one), *breaks, self.end) for one in values.schemas]
        return one_of(options)


def _values(schema: Any, room: Room, place: str, *, strict: bool) -> Values:
    """Returns what texts.values_of does; anything where that cannot be held, which is told."""
    try:
        return values_of(schema, room, place, strict=strict)
    except Unwritable:
        return Values({"left_out": place}, None, (), frozenset())


def one_of(options: Iterable[Node]) -> Node:
    made = [*options]
    if not made:
        raise Unwritable
    return made[0] if len(made) == 1 else ("any", *made)


def _named(nodes: tuple[Node, ...], name: str) -> list[Node]:
    return [node.replace("{}", name) if isinstance(node, str) else node for node in nodes]


def _open(nodes: tuple[Node, ...], name: Text) -> list[Node]:
    """Returns the nodes with any of these names in the place of `{}`."""
    return [*_opened(nodes, name)]


def _opened(nodes: tuple[Node, ...], name: Text) -> Iterator[Node]:
    for node in nodes:
        if isinstance(node, str) and "{}" in node:
            before, _, behind = node.partition("{}")
            yield ("text", before, name, behind)
        else:
            yield node


def text_up_to(end: str, *, lines: bool = False) -> tuple[TextForm, ...]:
    """Makes the forms of a text that ends there. With `lines` it stands on lines of its own, or within one."""
    if not lines:
        return (TextForm(behind=end, without=(end,)),)
    return (
        TextForm("\n", f"\n{end}", (end,)),
        TextForm("", end, (end,), not_first="\n", not_last="\n"),
    )
