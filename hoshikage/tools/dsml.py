"""Knows the calls of DeepSeek V3.2 and V4: calls and their parameters as tags that hold a token of their own. Any
thread; pure.

    <｜DSML｜tool_calls>
    <｜DSML｜invoke name="weather">
    <｜DSML｜parameter name="city" string="true">東京</｜DSML｜parameter>
    </｜DSML｜invoke>
    </｜DSML｜tool_calls>

V3.2 calls the outer tag `function_calls`.
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

MARK: Final = "｜DSML｜"
OPEN: Final = (f"<{MARK}tool_calls>", f"<{MARK}function_calls>")
CLOSES: Final = (f"</{MARK}tool_calls>", f"</{MARK}function_calls>")
TAGS: Final = CallTags(
    f'<{MARK}invoke name="', f"</{MARK}invoke>", f'<{MARK}parameter name="', f"</{MARK}parameter>", says_text=True
)
OPENS: Final = Markers(*OPEN)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, calls.several(cursor, TAGS.call, CLOSES, TAGS.read))


HELD: Final = re.compile(TAGS.call)
FORMAT: Final = ToolFormat(
    "dsml",
    parse,
    special_text=(MARK, *OPEN, *CLOSES),
    opens=OPEN,
    closes=(TAGS.call_end, *CLOSES),
    held=HELD,
    layout=CallLayout(TAGS.layout.call),
)
