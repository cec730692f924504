"""Knows the calls of DeepSeek V3, R1 and V3.1: calls between `<｜tool▁calls▁begin｜>` and `<｜tool▁calls▁end｜>`. Any
thread; pure.

    <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather
    ```json
    {"city": "東京"}
    ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>

From V3.1 on: `<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "東京"}<｜tool▁call▁end｜>`.
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_arguments
from hoshikage.tools.tool_format import ToolFormat

CALLS_BEGIN: Final = "<｜tool▁calls▁begin｜>"
CALLS_END: Final = "<｜tool▁calls▁end｜>"
CALL_BEGIN: Final = "<｜tool▁call▁begin｜>"
CALL_END: Final = "<｜tool▁call▁end｜>"
SEPARATOR: Final = "<｜tool▁sep｜>"
STARTS: Final = Markers(CALLS_BEGIN, CALL_BEGIN)
SEPARATORS: Final = Markers(SEPARATOR)
AFTER_NAME: Final = Markers("```json", "```", "{")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(STARTS, Content))) is not None:
        begun = mark == CALL_BEGIN
        yield from calls.attempt(cursor, calls.several(cursor, CALL_BEGIN, (CALLS_END,), _call, begun=begun))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, _ = yield from cursor.collect(SEPARATORS)
    fenced = name.strip() == "function"
    if fenced:
        name, mark = yield from cursor.collect(AFTER_NAME)
        if mark == "{":
            cursor.back(1)
    yield calls.start(name.strip())
    yield from json_arguments(cursor, calls)
    yield from cursor.space()
    if fenced:
        yield from cursor.skip("```")
        yield from cursor.space()
    yield from cursor.skip(CALL_END)
    calls.end(cursor)


HELD: Final = re.compile(
    f"{CALL_BEGIN}(?:function{SEPARATOR}([^\\n`{{]{{1,256}})\\n(?:```json|(?={{))|(?!function<)([^<\\n]{{1,256}}){SEPARATOR})"
)
FORMAT: Final = ToolFormat(
    "deepseek",
    parse,
    special_text=(CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, SEPARATOR),
    opens=(CALLS_BEGIN, CALL_BEGIN),
    closes=(CALL_END, CALLS_END),
    held=HELD,
)
