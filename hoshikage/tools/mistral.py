"""Knows the calls of Mistral: `[TOOL_CALLS]` and a list, or a name and its arguments. Any thread; pure.

[TOOL_CALLS][{"name": "weather", "arguments": {"city": "東京"}}]
[TOOL_CALLS]weather[ARGS]{"city": "東京"}[TOOL_CALLS]time[CALL_ID]x3AbC9dEf[ARGS]{}
"""

from __future__ import annotations

import re
import secrets
import string
from typing import Final

from hoshikage.tools.call_schema import by_name_or_in_list
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_arguments, json_calls
from hoshikage.tools.tool_format import ToolFormat

TAG: Final = "[TOOL_CALLS]"
TAGS: Final = Markers(TAG)
AFTER_NAME: Final = Markers("[ARGS]", "[CALL_ID]", "{")
AFTER_ID: Final = Markers("[ARGS]", "{")
ALPHABET: Final = string.ascii_letters + string.digits


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(TAGS, Content)) is not None:
        yield from calls.attempt(cursor, _calls(cursor, calls))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    if (yield from cursor.peek()) in "[{":
        yield from json_calls(cursor, calls)
    else:
        name, mark = yield from cursor.collect(AFTER_NAME)
        if mark == "[CALL_ID]":
            _, mark = yield from cursor.collect(AFTER_ID)
        if mark == "{":
            cursor.back(1)
        yield calls.start(name.strip())
        yield from json_arguments(cursor, calls)
        calls.end(cursor)
    yield from cursor.space()


def new_id() -> str:
    """Draws nine letters and digits, which Mistral's templates insist on."""
    return "".join(secrets.choice(ALPHABET) for _ in range(9))


HELD: Final = re.compile(
    r"\[TOOL_CALLS\](?:\s{0,8}(?=\[\s{0,8}\{)|\s{0,8}([^\[{\s]{1,256})(?:\[CALL_ID\][^\[{]{0,64})?\s{0,8}(?:\[ARGS\]|(?=\{)))"
)
FORMAT: Final = ToolFormat(
    "mistral",
    parse,
    special_text=(TAG, "[ARGS]", "[CALL_ID]"),
    opens=(TAG,),
    new_id=new_id,
    held=HELD,
    hold=by_name_or_in_list,
)
