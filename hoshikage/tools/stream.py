"""One answer's text, as it comes, to text, thoughts and calls. One thread; no I/O."""

from __future__ import annotations

from typing import Final

from hoshikage.tools import generic
from hoshikage.tools import thinking as thoughts
from hoshikage.tools.calls import Calls, Schemas
from hoshikage.tools.cursor import Steps, TextCursor
from hoshikage.tools.deltas import Content, Delta, Rest
from hoshikage.tools.thinking import ThoughtMarks
from hoshikage.tools.tool_format import ToolFormat

SLICE: Final = 4096
"""Characters that are looked at in one go; what is ahead of the cursor is copied often."""


class AnswerParser:
    """Fed with an answer's text in pieces; how it is cut changes nothing about what comes out, joined."""

    def __init__(
        self, form: ToolFormat, schemas: Schemas, thinking: ThoughtMarks | None = None, prompt_tail: str = ""
    ) -> None:
        """`schemas`: the functions that may be called; without any, nothing is read as a call.

        `prompt_tail`: how the prompt ended, as an open mark of thoughts may stand there.
        """
        self._cursor = TextCursor()
        self._calls = Calls(schemas, form.new_id, form.opens, form.closes)
        self._steps = self._run(form, thinking, prompt_tail)
        self._running = True

    def feed(self, text: str) -> list[Delta]:
        """What has become certain. Never raises for what the text says."""
        deltas: list[Delta] = []
        for at in range(0, len(text), SLICE):
            self._cursor.add(text[at : at + SLICE])
            deltas += self._advance()
        return deltas

    def finish(self, cut: bool = False) -> Rest:
        """The end; `cut` where the answer was cut off at a length, so that an unfinished call is no mistake."""
        if cut:
            self._calls.cut()
        self._cursor.ended = True
        return Rest(tuple(self._advance()), self._calls.parsed, self._calls.told)

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
            deltas.append(delta)
        return deltas

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
