"""Knows the calls of gpt-oss: harmony, where every stretch of an answer names its channel and recipient. Any thread;
pure.

    <|channel|>analysis<|message|>I need the weather.<|end|><|start|>assistant<|channel|>commentary
    to=functions.weather <|constrain|>json<|message|>{"city": "東京"}<|call|>

The analysis channel is reasoning; what has no recipient is text.
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content, Reasoning
from hoshikage.tools.json_text import json_arguments
from hoshikage.tools.thought_marks import ThoughtMarks
from hoshikage.tools.tool_format import ToolFormat

START: Final = "<|start|>"
CHANNEL: Final = "<|channel|>"
MESSAGE: Final = "<|message|>"
FINAL: Final = f"{CHANNEL}final{MESSAGE}"
"""An answer that the user is to read stands in this channel."""
END: Final = "<|end|>"
CLOSES: Final = ("<|call|>", END)
HEADERS: Final = (CHANNEL, START, MESSAGE, "to=")
STARTS: Final = Markers(START, CHANNEL, spaced=False)
HEADER_ENDS: Final = Markers(MESSAGE, spaced=False)
ENDS: Final = Markers("<|end|>", "<|return|>", "<|call|>", START, spaced=False)
RECIPIENT: Final = re.compile(r"to=([^\s<]+)")
CHANNEL_NAME: Final = re.compile(r"<\|channel\|>\s*(\w+)")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    if (yield from cursor.look(*HEADERS, *(f" {text}" for text in HEADERS))) is not None:
        yield from calls.attempt(cursor, _stretches(cursor, calls))
    while (mark := (yield from cursor.until(STARTS, Content))) is not None:
        if mark == CHANNEL:
            cursor.back(len(mark))
        yield from calls.attempt(cursor, _stretches(cursor, calls))


def _stretches(cursor: TextCursor, calls: Calls) -> Steps[None]:
    """Reads headers and their texts, until one has its own end."""
    mark: str | None = START
    while mark == START:
        header, _ = yield from cursor.collect(HEADER_ENDS)
        if any(text in header for text in (START, *CLOSES)):
            raise NotACall  # a text without its mark: its words are none of a header
        if recipient := RECIPIENT.search(header):
            yield from _call(cursor, calls, recipient[1])
            return
        cursor.begin()
        named = CHANNEL_NAME.search(header)
        thought = named is not None and named[1] == "analysis"
        mark = yield from cursor.until(ENDS, Reasoning if thought else Content)
        if mark != START:
            cursor.begin()


def _call(cursor: TextCursor, calls: Calls, recipient: str) -> Steps[None]:
    yield calls.start(recipient.removeprefix("functions."))
    yield from json_arguments(cursor, calls)
    calls.end(cursor)
    yield from cursor.space()
    yield from cursor.skip("<|call|>", "<|end|>")
    cursor.begin()


HELD: Final = re.compile(r"to=(?:functions\.)?([^\s<]{1,256})(?:[^<]|<\|channel\|>|<\|constrain\|>){0,64}<\|message\|>")
FORMAT: Final = ToolFormat(
    "harmony",
    parse,
    special_text=(CHANNEL, MESSAGE, START, "<|end|>", "<|call|>", "<|return|>", "<|constrain|>"),
    opens=(START, CHANNEL),
    closes=CLOSES,
    reads_bare_json=True,
    lead=FINAL,
    after_thoughts=f"{START}assistant{FINAL}",
    own_thoughts=ThoughtMarks(f"{CHANNEL}analysis{MESSAGE}", END),
    held=HELD,
)
