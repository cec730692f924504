"""Knows the calls of Kimi K2: they have ids and stand: calls with ids between `<|tool_calls_section_begin|>` and
`<|tool_calls_section_end|>`. Any thread; pure.

<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "東京"}
<|tool_call_end|><|tool_calls_section_end|>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_arguments
from hoshikage.tools.tool_format import ToolFormat

SECTION: Final = "<|tool_calls_section_begin|>"
SECTION_END: Final = "<|tool_calls_section_end|>"
CALL: Final = "<|tool_call_begin|>"
CALL_END: Final = "<|tool_call_end|>"
ARGUMENTS: Final = "<|tool_call_argument_begin|>"
OPENS: Final = Markers(SECTION)
AFTER_NAME: Final = Markers(ARGUMENTS)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, calls.several(cursor, CALL, (SECTION_END,), _call))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    call_id, _ = yield from cursor.collect(AFTER_NAME)
    call_id = call_id.strip()
    # The templates find a result's function by this id.
    yield calls.start(call_id.removeprefix("functions.").rpartition(":")[0] or call_id, call_id)
    yield from json_arguments(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip(CALL_END)
    calls.end(cursor)


HELD: Final = re.compile(
    r"<\|tool_call_begin\|>\s{0,8}(?:functions\.)?([^:<\s]{1,256})(?::[0-9]{1,8})?\s{0,8}<\|tool_call_argument_begin\|>"
)
FORMAT: Final = ToolFormat(
    "kimi",
    parse,
    special_text=(SECTION, SECTION_END, CALL, CALL_END, ARGUMENTS),
    opens=(SECTION,),
    closes=(CALL_END, SECTION_END),
    held=HELD,
)
