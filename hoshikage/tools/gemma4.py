"""Knows the calls of Gemma 4: a name and its arguments, whose texts stand between quotes of a token of their own. Any
thread; pure.

<|tool_call>call:weather{city:<|"|>東京<|"|>,days:3,places:[<|"|>a<|"|>]}<tool_call|>
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_pieces
from hoshikage.tools.layout import CallLayout, Node, Parameters, TextForm, one_of
from hoshikage.tools.nested import Notation, listed
from hoshikage.tools.texts import ANY, Text, Unwritable
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

OPENS: Final = Markers("<|tool_call>")
CLOSES: Final = "<tool_call|>"
QUOTE: Final = '<|"|>'
QUOTES: Final = Markers(QUOTE, spaced=False)
NAME_ENDS: Final = Markers("{", spaced=False)
WORD: Final = re.compile(r"[\w.+\-$]")
MAX_DEPTH: Final = 64
MAX_VALUE: Final = 1_000_000
MAX_WORD: Final = 256


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _call(cursor, calls))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    yield from cursor.expect("call:")
    name, _ = yield from cursor.collect(NAME_ENDS)
    yield calls.start(name.strip())
    arguments = Arguments(calls, name.strip())
    yield from cursor.space()
    if (yield from cursor.skip("}")) is None:
        while True:
            key = yield from _key(cursor)
            value = yield from _value(cursor, 1)
            yield arguments.key(key)
            yield arguments.value(value)
            yield from cursor.space()
            if (yield from cursor.expect(",", "}")) == "}":
                break
    yield arguments.close()
    calls.end(cursor)
    yield from cursor.space()
    yield from cursor.skip(CLOSES)
    cursor.begin()
    yield from cursor.space()


def _key(cursor: TextCursor) -> Steps[str]:
    yield from cursor.space()
    key = (yield from _text(cursor)) if (yield from cursor.look(QUOTE, '"')) else (yield from _word(cursor))
    yield from cursor.space()
    yield from cursor.expect(":")
    return key


def _value(cursor: TextCursor, depth: int) -> Steps[Any]:
    """Raises NotACall, EndOfText."""
    if depth > MAX_DEPTH:
        raise NotACall
    yield from cursor.space()
    if (yield from cursor.look(QUOTE, '"')):
        return (yield from _text(cursor))
    if (yield from cursor.skip("[")):
        items: list[Any] = []
        yield from cursor.space()
        if (yield from cursor.skip("]")):
            return items
        while True:
            items.append((yield from _value(cursor, depth + 1)))
            yield from cursor.space()
            if (yield from cursor.expect(",", "]")) == "]":
                return items
    if (yield from cursor.skip("{")):
        entries: dict[str, Any] = {}
        yield from cursor.space()
        if (yield from cursor.skip("}")):
            return entries
        while True:
            key = yield from _key(cursor)
            entries[key] = yield from _value(cursor, depth + 1)
            yield from cursor.space()
            if (yield from cursor.expect(",", "}")) == "}":
                return entries
    try:
        return json.loads((yield from _word(cursor)))
    except (ValueError, RecursionError):
        raise NotACall from None


def _text(cursor: TextCursor) -> Steps[str]:
    if (yield from cursor.skip(QUOTE)):
        text, _ = yield from cursor.collect(QUOTES, MAX_VALUE)
        return text
    return str(json.loads((yield from json_pieces(cursor, None))))


def _word(cursor: TextCursor) -> Steps[str]:
    word = ""
    while WORD.match((yield from cursor.peek())):
        word += cursor.take(1)
        if len(word) > MAX_WORD:
            raise NotACall
    if not word:
        raise NotACall
    return word


class _Notation(Notation):
    """This writes objects without quotes around their names, and texts in quotes of their own."""

    def call(self) -> Node:
        """Returns the layout of one call of the function."""
        parameters = self.parameters(None if self.is_free else self.root, f"tools.{self.name}")
        return ("seq", f"call:{self.name}", self._entries(parameters), CLOSES)

    def _entries(self, parameters: Parameters) -> Node:
        known: list[tuple[Node, bool]] = []
        for one in parameters.known:
            name = one.name if PLAIN_NAME.fullmatch(one.name) else f"{QUOTE}{one.name}{QUOTE}"
            known.append((("seq", f"{name}:", self.value(one.schema, one.place)), one.required))
        more: Node | None = None
        if parameters.more is not None:
            place = f"{parameters.place}.additionalProperties"
            other: Text = ["and", parameters.other_name, ANY_WORD]
            more = ("seq", ("text", "", other, ":"), self.value(parameters.more, place))
        return ("seq", "{", self.separated(known, more, ","), "}")

    def held(self, schema: Any, place: str, key: str) -> Node:
        """Returns one of what the schema takes."""
        return one_of([self._option(kind, one, place) for kind, one in self.options(schema)])

    def _option(self, kind: str, keywords: dict[str, Any], place: str) -> Node:
        if kind == "any":
            return ("rule", self._anything())
        if kind == "string":
            return TextForm(QUOTE, QUOTE, (QUOTE,)).node(self.text(keywords, place))
        if kind in ("array", "object") and "const" in keywords:
            raise Unwritable
        if kind == "array":
            item = self.rule(self.value(keywords.get("items", True), f"{place}.items"))
            return ("seq", "[", listed(item, keywords, ","), "]")
        if kind == "object":
            return self._entries(self.parameters({**keywords, "type": "object"}, place))
        return self.json(keywords if "const" in keywords else {**keywords, "type": kind}, place)

    def anything(self, place: str, key: str) -> Node:
        """Returns any value."""
        return ("any", ("rule", self._anything()), TextForm(QUOTE, QUOTE, (QUOTE,)).node({"left_out": place}))

    def _anything(self) -> str:
        text = TextForm(QUOTE, QUOTE, (QUOTE,)).node(ANY)
        key: Node = ("any", ("text", "", ANY_WORD, ":"), TextForm(QUOTE, f"{QUOTE}:", (QUOTE,)).node(ANY))
        entry: Node = ("seq", key, ("rule", ANYTHING))
        self.rules[ANYTHING] = (
            "any",
            text,
            ("json", {"type": ["number", "boolean", "null"]}),
            ("seq", "[", listed(("rule", ANYTHING), {}, ","), "]"),
            ("seq", "{", listed(entry, {}, ","), "}"),
        )
        return ANYTHING


def _laid_out(name: str, schema: Mapping[str, Any] | None, rules: dict[str, Node]) -> Node:
    return _Notation(name, schema, rules).call()


ANYTHING: Final = "anything"
PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
ANY_WORD: Final = {"re": PLAIN_NAME.pattern}
HELD: Final = re.compile(r"<\|tool_call>")
FORMAT: Final = ToolFormat(
    "gemma4",
    parse,
    special_text=("<|tool_call>", CLOSES, QUOTE),
    opens=("<|tool_call>",),
    closes=(CLOSES,),
    held=HELD,
    layout=CallLayout(_laid_out),
)
