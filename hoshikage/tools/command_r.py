"""Knows the calls of Command R, R+, R7B and A: `Action:` and a fenced list, or a list between control tokens. Any
thread; pure.

Action: ```json
[{"tool_name": "weather", "parameters": {"city": "東京"}}]
```

<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "weather", "parameters": {}}]<|END_ACTION|>
<|START_RESPONSE|>It is sunny.<|END_RESPONSE|>
"""

from __future__ import annotations

import re
from typing import Final

from hoshikage.tools.call_schema import in_list_of_actions
from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.tool_format import ToolFormat

ACTION: Final = "<|START_ACTION|>"
ACTION_END: Final = "<|END_ACTION|>"
FRAMES: Final = ("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>")
FENCED: Final = "Action: ```json"
MARKS: Final = Markers(ACTION, FENCED, "Action:```json", *FRAMES)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (mark := (yield from cursor.until(MARKS, Content))) is not None:
        if mark in FRAMES:
            cursor.begin()
            yield from cursor.space()
        elif not calls.schemas:
            yield Content(cursor.since)
            cursor.begin()
        else:
            yield from calls.attempt(cursor, _calls(cursor, calls, ACTION_END if mark == ACTION else "```"))


def _calls(cursor: TextCursor, calls: Calls, end: str) -> Steps[None]:
    yield from json_calls(cursor, calls)
    yield from cursor.space()
    yield from cursor.skip(end)
    cursor.begin()
    yield from cursor.space()


HELD: Final = re.compile(r"<\|START_ACTION\|>|Action: ?```json")
FORMAT: Final = ToolFormat(
    "command_r",
    parse,
    special_text=(ACTION, ACTION_END, *FRAMES),
    opens=(ACTION, FENCED),
    closes=(ACTION_END, "```"),
    held=HELD,
    hold=in_list_of_actions,
)
