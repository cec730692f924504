"""Knows the calls of Llama 3.1 to 4: an object alone, or behind `<|python_tag|>`, or Python calls. Any thread; pure.

    {"name": "weather", "parameters": {"city": "東京"}}; {"name": "time", "parameters": {}}
    <|python_tag|>brave_search.call(query="星影")
    [weather(city="東京"), time()]

An answer that begins like a call is one only if it names a function of the request.
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.call_schema import in_object_of_parameters
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_call
from hoshikage.tools.pythonic import python_call, python_calls
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

TAG: Final = "<|python_tag|>"
TAGS: Final = Markers(TAG)
INTERPRETERS: Final = ("python", "code_interpreter", "ipython")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    start = yield from cursor.look("{", "[")
    if start == "{":
        yield from calls.attempt(cursor, _objects(cursor, calls, known=True), marked=False)
    elif start == "[":
        yield from calls.attempt(cursor, python_calls(cursor, calls, known=True), marked=False)
    while (yield from cursor.until(TAGS, Content)) is not None:
        yield from calls.attempt(cursor, _tagged(cursor, calls))


def _objects(cursor: TextCursor, calls: Calls, *, known: bool) -> Steps[None]:
    """Objects one behind the other, with or without semicolons."""
    while True:
        yield from json_call(cursor, calls, known=known)
        yield from cursor.space()
        yield from cursor.skip(";", ",")
        yield from cursor.space()
        if (yield from cursor.look("{")) is None:
            cursor.begin()
            return


def _tagged(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    if (yield from cursor.look("{")):
        yield from _objects(cursor, calls, known=False)
        return
    interpreter = next((name for name in INTERPRETERS if name in calls.schemas), None)
    if interpreter is None:
        yield from python_call(cursor, calls, suffix=".call")  # as the templates' own tools are called
        return
    yield calls.start(interpreter)
    arguments = Arguments(calls, interpreter)
    yield arguments.key("code")
    text: list[str] = []
    while not cursor.ended:
        text.append(cursor.take(len(cursor.rest)))
        yield None
    text.append(cursor.take(len(cursor.rest)))
    yield arguments.value("".join(text).strip())
    yield arguments.close()
    calls.end(cursor)


HELD: Final = re.compile(r"<\|python_tag\|>(?=\s{0,8}\{)")
FORMAT: Final = ToolFormat(
    "llama3",
    parse,
    special_text=(TAG,),
    opens=(TAG,),
    reads_bare_json=True,
    held=HELD,
    hold=in_object_of_parameters,
)
