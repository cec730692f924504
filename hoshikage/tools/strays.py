"""Calls among the words of an answer: JSON at the beginning of a line, bare or fenced, to a known function. Any thread.

    I look it up:
    ```json
    {"name": "weather", "arguments": {"city": "東京"}}
    ```

A habit of models that have seen the tools and not learnt how to call them. Nothing is told of such a call before it is
whole; what is none stays as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoshikage.tools import generic
from hoshikage.tools.calls import Calls, Schemas
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content, Delta

LINE: Final = "\n{"
MARKS: Final = Markers(LINE, "```json", "```tool_call", spaced=False)


class Strays:
    """This is fed with the words of one answer as they come."""

    def __init__(self, schemas: Schemas, id_maker: Callable[[], str]) -> None:
        self._calls = Calls(schemas, id_maker)
        self._begin()

    @property
    def told(self) -> int:
        """Tells how many calls there are."""
        return self._calls.told

    def feed(self, text: str) -> list[Delta]:
        """Returns what has become certain."""
        self._cursor.add(text)
        return self._advance()

    def close(self) -> list[Delta]:
        """Returns what was held back: something else than words follows, or the end."""
        if not self._cursor.rest and not self._cursor.since:
            return []
        self._cursor.ended = True
        deltas = self._advance()
        self._begin()
        return deltas

    def _begin(self) -> None:
        self._cursor = TextCursor()
        self._steps = self._run(self._cursor)

    def _advance(self) -> list[Delta]:
        deltas: list[Delta] = []
        for delta in self._steps:
            if delta is None:
                break
            deltas.append(delta)
        return deltas

    def _run(self, cursor: TextCursor) -> Steps[None]:
        while (mark := (yield from cursor.until(MARKS, Content))) is not None:
            cursor.back(1 if mark == LINE else len(mark))
            steps = generic.bare_calls(cursor, self._calls)
            yield from self._calls.attempt(cursor, steps, marked=False, held=True)
