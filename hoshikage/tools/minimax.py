"""Knows the calls of MiniMax M2: calls and their parameters as tags. Any thread; pure.

<minimax:tool_call>
<invoke name="weather">
<parameter name="city">東京</parameter>
</invoke>
</minimax:tool_call>
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

OPEN: Final = "<minimax:tool_call>"
CLOSE: Final = "</minimax:tool_call>"
TAGS: Final = CallTags('<invoke name="', "</invoke>", '<parameter name="', "</parameter>")
OPENS: Final = Markers(OPEN)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, calls.several(cursor, TAGS.call, (CLOSE,), TAGS.read))


HELD: Final = re.compile(TAGS.call)
FORMAT: Final = ToolFormat(
    "minimax",
    parse,
    special_text=(OPEN, CLOSE),
    opens=(OPEN,),
    closes=(TAGS.call_end, CLOSE),
    held=HELD,
    layout=CallLayout(TAGS.layout.call),
)
