"""LFM2: a list of Python calls between `<|tool_call_start|>` and `<|tool_call_end|>`. Any thread; pure.

<|tool_call_start|>[weather(city="東京"), time()]<|tool_call_end|>I look it up.
"""

from __future__ import annotations

from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.instruction import Call
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.pythonic import python_calls
from hoshikage.tools.tool_format import ToolFormat

START: Final = "<|tool_call_start|>"
END: Final = "<|tool_call_end|>"
STARTS: Final = Markers(START)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(STARTS, Content)) is not None:
        yield from calls.attempt(cursor, _calls(cursor, calls))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from cursor.space()
    # A system prompt can ask for JSON in place of Python.
    if (yield from cursor.look("{", "[{", "[ {", "[\n{")) is not None:
        yield from json_calls(cursor, calls)
    else:
        yield from python_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip(END)
    cursor.begin()
    yield from cursor.space()


def write(calls: list[Call]) -> str:
    return f"{START}[{', '.join(map(_written, calls))}]{END}"


def _written(call: Call) -> str:
    arguments = call["arguments"]
    if not isinstance(arguments, dict):  # cut off, or broken
        return f"{call['name']}({arguments})"
    return f"{call['name']}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


FORMAT: Final = ToolFormat(
    "lfm2",
    parse,
    signs=((START,), ("<|tool_list_start|>",)),
    special_text=(START, END),
    vocabulary=(START, END),
    opens=(START,),
    closes=(END,),
    write=write,
)
