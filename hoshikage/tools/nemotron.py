"""Knows the calls of Nemotron Nano v2: a list of calls between `<TOOLCALL>` and `</TOOLCALL>`. Any thread; pure.

<TOOLCALL>[{"name": "weather", "arguments": {"city": "東京"}}]</TOOLCALL>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.call_schema import in_list
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.tool_format import ToolFormat

OPENS: Final = Markers("<TOOLCALL>")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _calls(cursor, calls))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from json_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip("</TOOLCALL>")
    cursor.begin()
    yield from cursor.space()


HELD: Final = re.compile("<TOOLCALL>")
FORMAT: Final = ToolFormat(
    "nemotron",
    parse,
    special_text=("<TOOLCALL>", "</TOOLCALL>"),
    opens=("<TOOLCALL>",),
    closes=("</TOOLCALL>",),
    held=HELD,
    hold=in_list,
)
