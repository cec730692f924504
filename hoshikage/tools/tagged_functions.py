"""Knows the calls of Qwen3-Coder, Qwen3.5, Nemotron 3 and Seed-OSS: functions and parameters as tags. Any thread; pure.

<tool_call>
<function=weather>
<parameter=city>
東京
</parameter>
</function>
</tool_call>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.layout import CallLayout, TagLayout, text_up_to
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

FUNCTION: Final = "<function="
OPENS: Final = Markers("<tool_call>", "<seed:tool_call>", FUNCTION)
NAME_ENDS: Final = Markers(">")
VALUE_ENDS: Final = Markers("\n</parameter>", "</parameter>", spaced=False)
CLOSES: Final = ("</tool_call>", "</seed:tool_call>")


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(OPENS, Content))) is not None:
        yield from calls.attempt(cursor, calls.several(cursor, FUNCTION, CLOSES, _call, begun=mark == FUNCTION))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, _ = yield from cursor.name(NAME_ENDS)
    yield calls.start(name)
    arguments = Arguments(calls, name)
    while True:
        yield from cursor.space()
        if (yield from cursor.expect("<parameter=", "</function>")) == "</function>":
            break
        key, _ = yield from cursor.name(NAME_ENDS)
        yield from cursor.skip("\n")
        yield arguments.key(key)
        yield from arguments.text(cursor, key, VALUE_ENDS)
    yield arguments.close()
    calls.end(cursor)


HELD: Final = re.compile("<function=")
LAYOUT: Final = TagLayout(
    head=("{}>",),
    key=("<parameter={}>",),
    end="</parameter>",
    close="</function>",
    forms=text_up_to("</parameter>", lines=True),
)
FORMAT: Final = ToolFormat(
    "tagged_functions",
    parse,
    special_text=("<tool_call>", "</tool_call>", "<seed:tool_call>", "</seed:tool_call>"),
    opens=("<tool_call>", "<seed:tool_call>"),
    closes=("</function>", *CLOSES),
    held=HELD,
    layout=CallLayout(LAYOUT.call),
)
