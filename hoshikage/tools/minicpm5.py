"""Knows the calls of MiniCPM5: functions and parameters as tags with names, texts in CDATA where they need it. Any
thread; pure.

<function name="weather"><param name="city">東京</param><param name="note"><![CDATA[a < b]]></param></function>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.layout import CallLayout
from hoshikage.tools.tags import CallTags
from hoshikage.tools.tool_format import ToolFormat

TAGS: Final = CallTags('<function name="', "</function>", '<param name="', "</param>", has_cdata=True)
OPENS: Final = Markers(TAGS.call)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        if (yield from calls.attempt(cursor, TAGS.read(cursor, calls))):
            yield from cursor.space()


HELD: Final = re.compile(TAGS.call)
FORMAT: Final = ToolFormat(
    "minicpm5",
    parse,
    special_text=("<function", TAGS.call_end, "<param", TAGS.parameter_end),
    opens=(TAGS.call,),
    closes=(TAGS.call_end,),
    held=HELD,
    layout=CallLayout(TAGS.layout.call),
)
