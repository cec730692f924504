"""Turns one answer's text, as it comes, into text, thoughts and calls. One thread; no I/O."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hoshikage.tools import forced, generic
from hoshikage.tools import thinking as thoughts
from hoshikage.tools.calls import Calls, Schemas
from hoshikage.tools.cursor import Steps, TextCursor
from hoshikage.tools.deltas import CallArguments, CallStart, Content, Delta, Rest
from hoshikage.tools.strays import Strays
from hoshikage.tools.thought_marks import ThoughtMarks
from hoshikage.tools.tool_format import ToolFormat

SLICE: Final = 4096
"""Characters that are looked at in one go; what is ahead of the cursor is copied often."""


class AnswerParser:
    """This is fed with an answer's text in pieces; how it is cut changes nothing about what comes out, joined."""

    def __init__(
        self, form: ToolFormat, schemas: Schemas, thinking: ThoughtMarks | None = None, prompt_tail: str = ""
    ) -> None:
        """The functions of `schemas` may be called; without any, nothing is read as a call.

        `prompt_tail`: how the prompt ended, as an open mark of thoughts may stand there.
        """
        self._cursor = TextCursor()
        self._calls = Calls(schemas, form.new_id, form.opens, form.closes)
        self._strays = Strays(schemas, form.new_id) if schemas and form is not forced.FORMAT else None
        self._numbers: dict[tuple[bool, int], int] = {}
        """Whether a call is a stray, and its number among its like, lead here to its number in the answer."""
        self._steps = self._run(form, thinking, prompt_tail)
        self._running = True

    def feed(self, text: str) -> list[Delta]:
        """Returns what has become certain. Never raises for what the text says."""
        deltas: list[Delta] = []
        for at in range(0, len(text), SLICE):
            self._cursor.add(text[at : at + SLICE])
            deltas += self._advance()
        return deltas

    def finish(self, cut: bool = False) -> Rest:
        """Ends the answer; `cut` where the answer was cut off at a length, so that an unfinished call is no mistake."""
        if cut:
            self._calls.cut()
        self._cursor.ended = True
        deltas = self._advance()
        if self._strays is None:
            return Rest(tuple(deltas), self._calls.parsed, self._calls.told)
        deltas += self._numbered(self._strays.close(), True)
        return Rest(tuple(deltas), self._calls.parsed, self._calls.told + self._strays.told)

    def _advance(self) -> list[Delta]:
        deltas: list[Delta] = []
        while self._running:
            try:
                delta = next(self._steps)
            except StopIteration:
                self._running = False
                break
            if delta is None:
                break
            deltas += self._with_strays(delta)
        return deltas

    def _with_strays(self, delta: Delta) -> list[Delta]:
        """Returns the delta, with the calls among the words before it, or in it."""
        if self._strays is None:
            return [delta]
        if isinstance(delta, Content):
            return self._numbered(self._strays.feed(delta.text), True)
        return [*self._numbered(self._strays.close(), True), *self._numbered([delta], False)]

    def _numbered(self, deltas: list[Delta], is_stray: bool) -> list[Delta]:
        """Returns the deltas with the numbers that their calls have in the answer."""
        numbered: list[Delta] = []
        for delta in deltas:
            if isinstance(delta, CallStart | CallArguments):
                number = self._numbers.setdefault((is_stray, delta.index), len(self._numbers))
                delta = delta if delta.index == number else replace(delta, index=number)
            numbered.append(delta)
        return numbered

    def _run(self, form: ToolFormat, thinking: ThoughtMarks | None, prompt_tail: str) -> Steps[None]:
        cursor, calls = self._cursor, self._calls
        if thinking is not None:
            yield from thoughts.parse(cursor, thinking, thinking.begun(prompt_tail))
        looks = calls.schemas and not form.reads_bare_json
        # A habit of models that have seen the tools and not learnt how to call them.
        if looks and (yield from cursor.look("{", "[{", *generic.FENCES)) is not None:
            cursor.begin()
            yield from calls.attempt(cursor, generic.bare_calls(cursor, calls), marked=False, held=True)
        if calls.schemas or form.whole_answer:
            yield from form.parse(cursor, calls)
        while not cursor.ended or cursor.rest:
            if text := cursor.take(len(cursor.rest)):
                yield Content(text)
            cursor.begin()
            if not cursor.ended:
                yield None
