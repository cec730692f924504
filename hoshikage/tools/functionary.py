"""Knows the calls of Functionary 3: `>>>name` and arguments, or `<function=name>{…}</function>`. Any thread; pure.

    all
    I look it up.>>>weather
    {"city": "東京"}

The prompt ends in `>>>`, so that an answer begins with a recipient; `all` is the user.
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_arguments
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

NEXT: Final = Markers(">>>")
LINE_ENDS: Final = Markers("\n", "{")
OPENS: Final = Markers("<function=", "<|python_tag|>")
NAME_ENDS: Final = Markers(">")
RECIPIENT: Final = re.compile(r"(?:\A|>>>)\s{0,8}([^\s>]{1,256})\n")
FUNCTION: Final = re.compile("<function=([^>\n]{1,256})>")
INTERPRETER: Final = "python"


def parse_recipients(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.skip(">>>")
    mark: str | None = ""
    while mark is not None:
        if (yield from cursor.skip("all\n")) is None:
            yield from calls.attempt(cursor, _recipient(cursor, calls), marked=bool(mark))
        cursor.begin()
        mark = yield from cursor.until(NEXT, Content)


def _recipient(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, mark = yield from cursor.collect(LINE_ENDS)
    name = name.strip()
    if mark == "{":
        cursor.back(1)
    yield from cursor.space()
    if name == INTERPRETER and calls.schemas and (yield from cursor.peek()) != "{":
        yield from _code(cursor, calls)
        return
    if name not in calls.schemas:
        raise NotACall
    yield calls.start(name)
    yield from json_arguments(cursor, calls)
    calls.end(cursor)
    yield from cursor.space()


def parse_functions(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(OPENS, Content))) is not None:
        steps = _function(cursor, calls) if mark == "<function=" else _code(cursor, calls)
        yield from calls.attempt(cursor, steps)


def _function(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, _ = yield from cursor.collect(NAME_ENDS)
    yield calls.start(name)
    yield from json_arguments(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip("</function>")
    calls.end(cursor)
    yield from cursor.space()


def _code(cursor: TextCursor, calls: Calls) -> Steps[None]:
    """Reads all that is left, as the code of one call."""
    yield calls.start(INTERPRETER)
    arguments = Arguments(calls, INTERPRETER)
    yield arguments.key("code")
    code = ""
    while not cursor.ended:
        code += cursor.take(len(cursor.rest))
        yield None
    yield arguments.value((code + cursor.take(len(cursor.rest))).strip())
    yield arguments.close()
    calls.end(cursor)


RECIPIENTS: Final = ToolFormat(
    "functionary_v3.2",
    parse_recipients,
    opens=(">>>",),
    held=RECIPIENT,
)
FUNCTIONS: Final = ToolFormat(
    "functionary_v3.1",
    parse_functions,
    special_text=("<|python_tag|>",),
    opens=("<function=", "<|python_tag|>"),
    closes=("</function>",),
    held=FUNCTION,
)
