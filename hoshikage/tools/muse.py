"""Knows the calls of Muse Glimmer: stretches with a recipient each: the model, the user, or a tool that is called. Any
thread; pure.

     to=self<|message|>I need the weather.<|eom|><|start|>assistant to=weather<|message|><atem:function_calls>
    <atem:invoke name="weather">
    <atem:parameter name="city">東京</atem:parameter>
    </atem:invoke>
    </atem:function_calls><|eot|>

What the model says to itself is reasoning; the prompt ends before the first recipient.
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content, Reasoning
from hoshikage.tools.layout import CallLayout
from hoshikage.tools.tags import CallTags
from hoshikage.tools.tool_format import ToolFormat

START: Final = "<|start|>"
MESSAGE: Final = "<|message|>"
STRETCH_ENDS: Final = ("<|eom|>", "<|eot|>")
OPEN: Final = "<atem:function_calls>"
CLOSES: Final = ("</atem:function_calls>",)
TAGS: Final = CallTags('<atem:invoke name="', "</atem:invoke>", '<atem:parameter name="', "</atem:parameter>")
STARTS: Final = Markers(START, OPEN, *STRETCH_ENDS, spaced=False)
HEADER_ENDS: Final = Markers(MESSAGE, spaced=False)
THOUGHT_ENDS: Final = Markers(START, *STRETCH_ENDS, spaced=False)
HEADERS: Final = (START, MESSAGE, "to=", "assistant")
RECIPIENT: Final = re.compile(r"to=([^\s<]{1,256})")
SELF: Final = "self"


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    mark: str | None = None
    if (yield from cursor.look(*HEADERS, *(f" {text}" for text in HEADERS))) is not None:
        mark = START
    while True:
        if mark == START:
            thinks = False
            if (yield from calls.attempt(cursor, _header(cursor), marked=False)):
                thinks = RECIPIENT.findall(cursor.since)[-1:] == [SELF]
                cursor.begin()
            mark = yield from cursor.until(*((THOUGHT_ENDS, Reasoning) if thinks else (STARTS, Content)))
        elif mark == OPEN and calls.schemas:
            yield from calls.attempt(cursor, calls.several(cursor, TAGS.call, CLOSES, TAGS.read))
            mark = yield from cursor.until(STARTS, Content)
        elif mark == OPEN:
            yield Content(cursor.since)
            cursor.begin()
            mark = yield from cursor.until(STARTS, Content)
        else:
            cursor.begin()
            mark = yield from cursor.until(STARTS, Content)
        if mark is None:
            return


def _header(cursor: TextCursor) -> Steps[None]:
    header, _ = yield from cursor.collect(HEADER_ENDS)
    if any(text in header for text in (OPEN, *STRETCH_ENDS)):
        raise NotACall  # a text without its mark: its words are none of a header


HELD: Final = re.compile(TAGS.call)
FORMAT: Final = ToolFormat(
    "muse",
    parse,
    special_text=(START, MESSAGE, *STRETCH_ENDS),
    opens=(OPEN,),
    closes=(TAGS.call_end, *CLOSES),
    reads_bare_json=True,
    lead=f" to=user{MESSAGE}",
    held=HELD,
    layout=CallLayout(TAGS.layout.call),
)
