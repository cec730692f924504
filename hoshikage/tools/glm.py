"""Knows the calls of GLM 4.5 and later: `<tool_call>name` and tagged keys and values. Any thread; pure.

<tool_call>weather
<arg_key>city</arg_key>
<arg_value>東京</arg_value>
</tool_call>

"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_call
from hoshikage.tools.layout import GAP, CallLayout, TagLayout, text_up_to
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

OPENS: Final = Markers("<tool_call>")
AFTER_NAME: Final = Markers("<arg_key>", "</tool_call>", "\n")
KEY_ENDS: Final = Markers("</arg_key>")
VALUE_ENDS: Final = Markers("</arg_value>", spaced=False)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _call(cursor, calls))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    if (yield from cursor.look("{")):
        yield from json_call(cursor, calls)
        yield from cursor.space()
        yield from cursor.skip("</tool_call>")
        cursor.begin()
        yield from cursor.space()
        return
    name, mark = yield from cursor.name(AFTER_NAME)
    yield calls.start(name.strip())
    arguments = Arguments(calls, name.strip())
    if mark == "\n":
        yield from cursor.space()
        mark = yield from cursor.expect("<arg_key>", "</tool_call>")
    while mark == "<arg_key>":
        yield from cursor.space()
        key, _ = yield from cursor.name(KEY_ENDS)
        yield from cursor.space()
        yield from cursor.expect("<arg_value>")
        yield arguments.key(key)
        yield from arguments.text(cursor, key, VALUE_ENDS)
        yield from cursor.space()
        mark = yield from cursor.expect("<arg_key>", "</tool_call>")
    yield arguments.close()
    calls.end(cursor)
    yield from cursor.space()


HELD: Final = re.compile("<tool_call>")
LAYOUT: Final = TagLayout(
    head=("{}",),
    key=("<arg_key>{}</arg_key>", GAP, "<arg_value>"),
    end="</arg_value>",
    close="</tool_call>",
    forms=text_up_to("</arg_value>"),
)
FORMAT: Final = ToolFormat(
    "glm",
    parse,
    special_text=("<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
    opens=("<tool_call>",),
    closes=("</tool_call>",),
    held=HELD,
    layout=CallLayout(LAYOUT.call),
)
