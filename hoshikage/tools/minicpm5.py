"""MiniCPM5: functions and parameters as tags with names, texts in CDATA where they need it. Any thread; pure.

<function name="weather"><param name="city">東京</param><param name="note"><![CDATA[a < b]]></param></function>
"""

from __future__ import annotations

from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

FUNCTION: Final = '<function name="'
FUNCTION_END: Final = "</function>"
PARAMETER: Final = '<param name="'
PARAMETER_END: Final = "</param>"
CDATA: Final = "<![CDATA["
CDATA_END: Final = "]]>"
OPENS: Final = Markers(FUNCTION)
NAME_ENDS: Final = Markers('">', spaced=False)
VALUE_ENDS: Final = Markers(PARAMETER_END, spaced=False)
CDATA_ENDS: Final = Markers(CDATA_END, spaced=False)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, _call(cursor, calls))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, _ = yield from cursor.collect(NAME_ENDS)
    yield calls.start(name)
    arguments = Arguments(calls, name)
    while True:
        yield from cursor.space()
        if (yield from cursor.expect(PARAMETER, FUNCTION_END)) == FUNCTION_END:
            break
        key, _ = yield from cursor.collect(NAME_ENDS)
        yield arguments.key(key)
        if (yield from cursor.skip(CDATA)) is None:
            yield from arguments.text(cursor, key, VALUE_ENDS)
        else:
            yield from arguments.text(cursor, key, CDATA_ENDS)
            yield from cursor.space()
            yield from cursor.expect(PARAMETER_END)
    yield arguments.close()
    calls.end(cursor)
    yield from cursor.space()


FORMAT: Final = ToolFormat(
    "minicpm5",
    parse,
    signs=((FUNCTION, PARAMETER),),
    special_text=("<function", FUNCTION_END, "<param", PARAMETER_END),
    opens=(FUNCTION,),
    closes=(FUNCTION_END,),
)
