"""Knows the calls of Granite 3: `<|tool_call|>` (or `<tool_call>`) and a list of calls to the end. Any thread; pure.

<|tool_call|>[{"name": "weather", "arguments": {"city": "東京"}}]
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.call_schema import in_object_or_list
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.tool_format import ToolFormat

OPENS: Final = Markers("<|tool_call|>", "<tool_call>")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _calls(cursor, calls))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from json_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip("</tool_call>")
    cursor.begin()
    yield from cursor.space()


HELD: Final = re.compile(r"<\|?tool_call\|?>")
FORMAT: Final = ToolFormat(
    "granite",
    parse,
    special_text=("<|tool_call|>", "<tool_call>", "</tool_call>"),
    opens=("<|tool_call|>", "<tool_call>"),
    closes=("</tool_call>",),
    held=HELD,
    hold=in_object_or_list,
)
