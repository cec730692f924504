"""Reads thoughts in front of an answer. Any thread; pure."""

from __future__ import annotations

from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content, Reasoning
from hoshikage.tools.thought_marks import ThoughtMarks


def parse(cursor: TextCursor, thinking: ThoughtMarks, begun: bool) -> Steps[None]:
    """Reads thoughts at the beginning of an answer, if there are any, and the white space behind them."""
    if not begun:
        yield from cursor.space()
        if (yield from cursor.skip(thinking.opens)) is None:
            # The white space is the answer's own.
            if text := cursor.since:
                cursor.begin()
                yield Content(text)
            return
    else:
        yield from cursor.space()
        yield from cursor.skip(thinking.opens)
    yield from cursor.space()
    cursor.begin()
    yield from cursor.until(Markers(thinking.closes), Reasoning)
    yield from cursor.space()
    cursor.begin()
