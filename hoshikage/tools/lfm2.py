"""Knows the calls of LFM2: a list of Python calls between `<|tool_call_start|>` and `<|tool_call_end|>`. Any thread;
pure.

<|tool_call_start|>[weather(city="東京"), time()]<|tool_call_end|>I look it up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.instruction import Call
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.layout import CallLayout, Node, TextForm, one_of
from hoshikage.tools.nested import Notation
from hoshikage.tools.pythonic import NAME, python_calls
from hoshikage.tools.texts import Unwritable
from hoshikage.tools.tool_format import ToolFormat

START: Final = "<|tool_call_start|>"
END: Final = "<|tool_call_end|>"
STARTS: Final = Markers(START)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(STARTS, Content)) is not None:
        yield from calls.attempt(cursor, _calls(cursor, calls))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    # A system prompt can ask for JSON in place of Python.
    if (yield from cursor.look("{", "[{", "[ {", "[\n{")) is not None:
        yield from json_calls(cursor, calls)
    else:
        yield from python_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip(END)
    cursor.begin()
    yield from cursor.space()


def write(calls: list[Call]) -> str:
    return f"{START}[{', '.join(map(_written, calls))}]{END}"


def _written(call: Call) -> str:
    arguments = call["arguments"]
    if not isinstance(arguments, dict):  # cut off, or broken
        return f"{call['name']}({arguments})"
    return f"{call['name']}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


class _Notation(Notation):
    """This writes keyword arguments, whose values are JSON or Python's words for what JSON has."""

    def call(self) -> Node:
        """Returns the layout of one call of the function."""
        parameters = self.parameters(None if self.is_free else self.root, f"tools.{self.name}")
        names = (self.name, *(one.name for one in parameters.known))
        if not all(map(NAME.fullmatch, names)):
            raise Unwritable
        known: list[tuple[Node, bool]] = [
            (("seq", f"{one.name}=", self.value(one.schema, one.place)), one.required) for one in parameters.known
        ]
        more: Node | None = None
        if parameters.more is not None:
            place = f"{parameters.place}.additionalProperties"
            name = ["and", parameters.other_name, {"re": NAME.pattern}]
            more = ("seq", ("text", "", name, "="), self.value(parameters.more, place))
        return ("seq", f"{self.name}(", self.separated(known, more, ", "), ")")

    def held(self, schema: Any, place: str, key: str) -> Node:
        """Returns JSON, and what Python writes otherwise."""
        try:
            options = self.options(schema)
        except Unwritable:
            options = []
        words = [word for kind, one in options if not one for word in WORDS.get(kind, ())]
        texts = [QUOTED.node(self.text(one, place)) for kind, one in options if kind in ("any", "string")]
        return one_of([self.json(schema, place), *texts, *words])

    def anything(self, place: str, key: str) -> Node:
        """Returns any value, and what is wrong in its schema."""
        return self.json(True, place)


def _laid_out(name: str, schema: Mapping[str, Any] | None, rules: dict[str, Node]) -> Node:
    return _Notation(name, schema, rules).call()


WORDS: Final = {"boolean": ("True", "False"), "null": ("None",), "any": ("True", "False", "None")}
QUOTED: Final = TextForm("'", "'", ("'", "\\", "\n", "\r", "\0"))
HELD: Final = re.compile(r"<\|tool_call_start\|>")
FORMAT: Final = ToolFormat(
    "lfm2",
    parse,
    special_text=(START, END),
    opens=(START,),
    closes=(END,),
    write=write,
    held=HELD,
    layout=CallLayout(_laid_out, around=("[", ", ", f"]{END}")),
)
