"""Knows the calls of GigaChat 3: one call behind `<|function_call|>`, or behind the role that makes it. Any thread;
pure.

<|function_call|>{"name": "weather", "arguments": {"city": "東京"}}
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.call_schema import in_object
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_call
from hoshikage.tools.tool_format import ToolFormat

TAG: Final = "<|function_call|>"
ROLE: Final = "function call<|role_sep|>"
END: Final = "<|message_sep|>"
OPENS: Final = Markers(TAG, f"{END}{ROLE}", ROLE)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _call(cursor, calls))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    yield from json_call(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip(END)
    cursor.begin()
    yield from cursor.space()


HELD: Final = re.compile(r"<\|function_call\|>|function call<\|role_sep\|>")
FORMAT: Final = ToolFormat(
    "gigachat",
    parse,
    special_text=(TAG, "<|role_sep|>", END),
    opens=(TAG,),
    closes=(END,),
    held=HELD,
    hold=in_object,
)
