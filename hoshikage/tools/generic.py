"""Knows the calls of models that know no tools: JSON as the instruction asks for it, tagged, fenced or alone. Any
thread; pure.

    <tool_call>{"name": "weather", "arguments": {"city": "東京"}}</tool_call>

An answer that begins like a call is one only if it names a function of the request.
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
FENCES: Final = ("```json", "```tool_call", "```")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    if (yield from cursor.look("{", "[", *FENCES)) is not None:
        cursor.begin()
        yield from calls.attempt(cursor, bare_calls(cursor, calls), marked=False, held=True)
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _tagged(cursor, calls))


def bare_calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    """Reads JSON at the beginning of an answer, fenced or alone, that calls a function of the request."""
    fence = yield from cursor.skip(*FENCES)
    yield from json_calls(cursor, calls, known=True)
    yield from cursor.space()
    if fence is not None:
        yield from cursor.skip("```")
    cursor.begin()
    yield from cursor.space()


def _tagged(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from json_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip("</tool_call>")
    cursor.begin()
    yield from cursor.space()


HELD: Final = re.compile("<tool_call>")
FORMAT: Final = ToolFormat(
    "generic",
    parse,
    special_text=("<tool_call>", "</tool_call>"),
    opens=("<tool_call>",),
    closes=("</tool_call>",),
    reads_bare_json=True,
    held=HELD,
    hold=in_object,
)
