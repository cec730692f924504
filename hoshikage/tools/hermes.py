"""Knows the calls of Hermes and Qwen: `<tool_call>{"name": …, "arguments": …}</tool_call>`. Any thread; pure.

I look it up.
<tool_call>
{"name": "weather", "arguments": {"city": "東京"}}
</tool_call>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.call_schema import in_object
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.tool_format import ToolFormat

OPENS: Final = Markers("<tool_call>")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _call(cursor, calls))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from json_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip("</tool_call>")
    cursor.begin()
    yield from cursor.space()


HELD: Final = re.compile("<tool_call>")
FORMAT: Final = ToolFormat(
    "hermes",
    parse,
    special_text=("<tool_call>", "</tool_call>"),
    opens=("<tool_call>",),
    closes=("</tool_call>",),
    held=HELD,
    hold=in_object,
)
