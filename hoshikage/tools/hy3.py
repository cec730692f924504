"""Knows the calls of Hy3 (Hunyuan 3): a name, and tagged keys and values, between tokens with a suffix. Any thread;
pure.

<tool_calls:opensource>
<tool_call:opensource>weather<tool_sep:opensource>
<arg_key:opensource>city</arg_key:opensource>
<arg_value:opensource>東京</arg_value:opensource>
</tool_call:opensource>
</tool_calls:opensource>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.layout import GAP, CallLayout, TagLayout, text_up_to
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

SUFFIX: Final = ":opensource"
CALLS: Final = f"<tool_calls{SUFFIX}>"
CALLS_END: Final = f"</tool_calls{SUFFIX}>"
CALL: Final = f"<tool_call{SUFFIX}>"
CALL_END: Final = f"</tool_call{SUFFIX}>"
SEPARATOR: Final = f"<tool_sep{SUFFIX}>"
KEY: Final = f"<arg_key{SUFFIX}>"
KEY_END: Final = f"</arg_key{SUFFIX}>"
VALUE: Final = f"<arg_value{SUFFIX}>"
VALUE_END: Final = f"</arg_value{SUFFIX}>"
OPENS: Final = Markers(CALLS, CALL)
AFTER_NAME: Final = Markers(SEPARATOR, CALL_END)
KEY_ENDS: Final = Markers(KEY_END)
VALUE_ENDS: Final = Markers(VALUE_END, spaced=False)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(OPENS, Content))) is not None:
        yield from calls.attempt(cursor, calls.several(cursor, CALL, (CALLS_END,), _call, begun=mark == CALL))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, mark = yield from cursor.name(AFTER_NAME)
    yield calls.start(name.strip())
    arguments = Arguments(calls, name.strip())
    while mark != CALL_END:
        yield from cursor.space()
        mark = yield from cursor.expect(KEY, CALL_END)
        if mark == KEY:
            yield from cursor.space()
            key, _ = yield from cursor.name(KEY_ENDS)
            yield from cursor.space()
            yield from cursor.expect(VALUE)
            yield arguments.key(key)
            yield from arguments.text(cursor, key, VALUE_ENDS)
    yield arguments.close()
    calls.end(cursor)


HELD: Final = re.compile(CALL)
LAYOUT: Final = TagLayout(
    head=(f"{{}}{SEPARATOR}",),
    key=(f"{KEY}{{}}{KEY_END}", GAP, VALUE),
    end=VALUE_END,
    close=CALL_END,
    forms=text_up_to(VALUE_END),
)
FORMAT: Final = ToolFormat(
    "hy3",
    parse,
    special_text=(CALLS, CALLS_END, CALL, CALL_END, SEPARATOR, KEY, KEY_END, VALUE, VALUE_END),
    opens=(CALLS, CALL),
    closes=(CALL_END, CALLS_END),
    held=HELD,
    layout=CallLayout(LAYOUT.call),
)
