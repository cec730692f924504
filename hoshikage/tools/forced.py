"""Calls that a grammar has forced: JSON and nothing else. Any thread; pure."""

from __future__ import annotations

from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.tool_format import ToolFormat


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from calls.attempt(cursor, json_calls(cursor, calls))
    yield from cursor.space()
    if cursor.rest:
        yield Content(cursor.take(len(cursor.rest)))


FORMAT: Final = ToolFormat("forced", parse, reads_bare_json=True)
