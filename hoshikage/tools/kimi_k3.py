"""Knows the calls of Kimi K3: every stretch of an answer stands between an opening and a closing tag of three tokens.
Any thread; pure.

    I need the weather.<|close|>think<|sep|><|open|>response<|sep|>I look.<|close|>response<|sep|>
    <|open|>tools<|sep|><|open|>call tool="weather" index="1"<|sep|>
    <|open|>argument key="city" type="string"<|sep|>東京<|close|>argument<|sep|>
    <|close|>call<|sep|><|close|>tools<|sep|><|close|>message<|sep|>

The prompt ends with the tag that opens thoughts, or with that of the words.
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_arguments
from hoshikage.tools.layout import CallLayout, TagLayout, text_up_to
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

OPEN: Final = "<|open|>"
CLOSE: Final = "<|close|>"
SEPARATOR: Final = "<|sep|>"
CALL: Final = f"{OPEN}call "
CALL_END: Final = f"{CLOSE}call{SEPARATOR}"
FRAMES: Final = (
    f"{OPEN}response{SEPARATOR}",
    f"{CLOSE}response{SEPARATOR}",
    f"{OPEN}tools{SEPARATOR}",
    f"{CLOSE}tools{SEPARATOR}",
    f"{CLOSE}message{SEPARATOR}",
)
ARGUMENT: Final = f"{OPEN}argument "
JSON: Final = f"{OPEN}json"
JSON_END: Final = f"{CLOSE}json{SEPARATOR}"
MARKS: Final = Markers(CALL, *FRAMES)
HEAD_ENDS: Final = Markers(SEPARATOR, spaced=False)
VALUE_ENDS: Final = Markers(f"{CLOSE}argument{SEPARATOR}", spaced=False)
ATTRIBUTE: Final = re.compile(r'\b([a-z]{1,16})="([^"]*)"')


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(MARKS, Content))) is not None:
        if mark != CALL:
            cursor.begin()
        elif calls.schemas:
            yield from calls.attempt(cursor, _call(cursor, calls))
        else:
            yield Content(cursor.since)
            cursor.begin()


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name = (yield from _attributes(cursor)).get("tool")
    if name is None:
        raise NotACall
    yield calls.start(name)
    arguments = Arguments(calls, name)
    is_json = False
    while True:
        yield from cursor.space()
        mark = yield from cursor.expect(ARGUMENT, JSON, CALL_END)
        if mark == CALL_END:
            break
        said = yield from _attributes(cursor)
        if mark == JSON:
            yield from json_arguments(cursor, calls)
            yield from cursor.space()
            yield from cursor.expect(JSON_END)
            is_json = True
            continue
        key = said.get("key")
        if key is None or is_json:
            raise NotACall
        yield arguments.key(key)
        if said.get("type") == "string":
            yield from arguments.string(cursor, VALUE_ENDS)
        else:
            yield from arguments.text(cursor, key, VALUE_ENDS)
    if not is_json:
        yield arguments.close()
    calls.end(cursor)
    yield from cursor.space()


def _attributes(cursor: TextCursor) -> Steps[dict[str, str]]:
    head, _ = yield from cursor.name(HEAD_ENDS)
    return {key: value.replace("&quot;", '"').replace("&amp;", "&") for key, value in ATTRIBUTE.findall(head)}


HELD: Final = re.compile(re.escape(CALL))
VALUE_END: Final = f"{CLOSE}argument{SEPARATOR}"
LAYOUT: Final = TagLayout(
    head=('tool="{}" index="', ("text", "", {"re": "[1-9][0-9]?"}, f'"{SEPARATOR}')),
    key=(f'{ARGUMENT}key="{{}}" type="string"{SEPARATOR}',),
    end=VALUE_END,
    close=CALL_END,
    forms=text_up_to(VALUE_END),
    json_key=(
        f'{ARGUMENT}key="{{}}" type="',
        ("text", "", {"re": "number|boolean|object|array|null"}, f'"{SEPARATOR}'),
    ),
    gap="",
)
FORMAT: Final = ToolFormat(
    "kimi_k3",
    parse,
    special_text=(OPEN, CLOSE, SEPARATOR),
    opens=(CALL,),
    closes=(CALL_END,),
    after_thoughts=FRAMES[0],
    held=HELD,
    layout=CallLayout(LAYOUT.call),
)
