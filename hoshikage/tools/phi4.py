"""Knows the calls of Phi-4-mini: a list between `<|tool_call|>` and `<|/tool_call|>`, or `functools[…]`. Any thread;
pure.

<|tool_call|>[{"type": "function", "function": {"name": "weather", "arguments": {"city": "東京"}}}]<|/tool_call|>
"""

from __future__ import annotations

import json
import re
from typing import Final

from hoshikage.tools.call_schema import in_list_of_functions
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.instruction import Call
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.tool_format import ToolFormat

OPENS: Final = Markers("<|tool_call|>", "functools[")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(OPENS, Content))) is not None:
        if mark == "functools[":
            cursor.back(1)
        yield from calls.attempt(cursor, _calls(cursor, calls))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from json_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip("<|/tool_call|>")
    cursor.begin()
    yield from cursor.space()


def write(calls: list[Call]) -> str:
    return f"<|tool_call|>{json.dumps(calls, ensure_ascii=False)}<|/tool_call|>"


HELD: Final = re.compile(r"<\|tool_call\|>|functools(?=\[)")
FORMAT: Final = ToolFormat(
    "phi4",
    parse,
    special_text=("<|tool_call|>", "<|/tool_call|>"),
    opens=("<|tool_call|>", "functools["),
    closes=("<|/tool_call|>",),
    write=write,
    held=HELD,
    hold=in_list_of_functions,
)
