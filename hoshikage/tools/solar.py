"""Knows the calls of Solar Open: the id, the name and the arguments of a call between control tokens. Any thread; pure.

<|tool_call:begin|>abc123<|tool_call:name|>weather<|tool_call:args|>{"city": "東京"}<|tool_call:end|>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_arguments
from hoshikage.tools.tool_format import ToolFormat

BEGIN: Final = "<|tool_call:begin|>"
NAME: Final = "<|tool_call:name|>"
ARGUMENTS: Final = "<|tool_call:args|>"
END: Final = "<|tool_call:end|>"
TURN: Final = "<|begin|>assistant<|tool_calls|>"
TURN_END: Final = "<|calls|>"
OPENS: Final = Markers(BEGIN, TURN)
BEFORE_NAME: Final = Markers(NAME)
AFTER_NAME: Final = Markers(ARGUMENTS)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(OPENS, Content))) is not None:
        yield from calls.attempt(cursor, _call(cursor, calls, mark == TURN))


def _call(cursor: TextCursor, calls: Calls, turn: bool) -> Steps[None]:
    if turn:
        yield from cursor.space()
        yield from cursor.expect(BEGIN)
    call_id, _ = yield from cursor.collect(BEFORE_NAME)
    name, _ = yield from cursor.collect(AFTER_NAME)
    yield calls.start(name.strip(), call_id.strip() or None)
    yield from json_arguments(cursor, calls)
    yield from cursor.space()
    yield from cursor.expect(END)
    calls.end(cursor)
    yield from cursor.space()
    yield from cursor.skip(TURN_END)
    cursor.begin()


HELD: Final = re.compile(r"<\|tool_call:name\|>([^<]{1,256})<\|tool_call:args\|>")
FORMAT: Final = ToolFormat(
    "solar",
    parse,
    special_text=(BEGIN, NAME, ARGUMENTS, END, "<|begin|>", "<|tool_calls|>", TURN_END),
    opens=(TURN, BEGIN),
    closes=(END, TURN_END),
    held=HELD,
)
