"""Knows the calls of Apertus: a list of objects whose one key is the function. Any thread; pure.

<|tools_prefix|>[{"weather": {"city": "東京"}}, {"time": {}}]<|tools_suffix|>
"""

from __future__ import annotations

import json
import re
from typing import Final

from hoshikage.tools.call_schema import by_key
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_arguments, json_pieces
from hoshikage.tools.tool_format import ToolFormat

OPENS: Final = Markers("<|tools_prefix|>")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _calls(cursor, calls))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    yield from cursor.expect("[")
    while True:
        yield from cursor.space()
        yield from _call(cursor, calls)
        yield from cursor.space()
        if (yield from cursor.expect(",", "]")) == "]":
            break
    yield from cursor.space()
    yield from cursor.skip("<|tools_suffix|>")
    cursor.begin()
    yield from cursor.space()


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.expect("{")
    yield from cursor.space()
    if (yield from cursor.peek()) != '"':
        raise NotACall
    name = str(json.loads((yield from json_pieces(cursor, None))))
    yield from cursor.space()
    yield from cursor.expect(":")
    yield calls.start(name)
    yield from json_arguments(cursor, calls)
    yield from cursor.space()
    yield from cursor.expect("}")
    calls.end(cursor)


HELD: Final = re.compile(r"<\|tools_prefix\|>")
FORMAT: Final = ToolFormat(
    "apertus",
    parse,
    special_text=("<|tools_prefix|>", "<|tools_suffix|>"),
    opens=("<|tools_prefix|>",),
    closes=("<|tools_suffix|>",),
    held=HELD,
    hold=by_key,
)
