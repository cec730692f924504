"""Parses what an answer's text says: words, thoughts and calls, read as the text comes. Any thread; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hoshikage import wire
from hoshikage.frozen import Frozen
from hoshikage.tools import CallArguments, CallStart, Content, Delta, KnownFormat, ThoughtMarks
from hoshikage.tools.known_formats import GENERIC

if TYPE_CHECKING:
    from hoshikage.tools.calls import Schemas
    from hoshikage.tools.stream import AnswerParser


class ParserSpec(Frozen, frozen=True):
    """This says how the answers to one request are to be read."""

    known: KnownFormat
    schemas: Schemas
    thinking: ThoughtMarks | None
    several: bool

    @property
    def plain(self) -> bool:
        """Tells whether an answer is text and nothing else."""
        return not self.schemas and self.thinking is None and not self.known.whole_answer

    @property
    def special_text(self) -> tuple[str, ...]:
        """Lists the control tokens whose texts are needed to read an answer."""
        thoughts = () if self.thinking is None else (self.thinking.opens, self.thinking.closes)
        return (*thoughts, *(self.known.form.special_text if self.schemas or self.known.whole_answer else ()))


PLAIN: Final = ParserSpec(GENERIC, {}, None, True)
"""The answer is text and nothing else."""


class ParsedEnd(Frozen, frozen=True):
    """This says how one choice ends."""

    deltas: tuple[Delta, ...]
    """`deltas` is what was held back until now."""
    reason: str
    """`reason` is `tool_calls` where it called; else as the engine says."""
    parsed: bool
    """`parsed` is false where something looked like a call and was none."""
    stop: str | None = None
    """`stop` is the stop string that ended it."""


class OutputParser:
    """Reads one choice as it comes."""

    def __init__(self, spec: ParserSpec, prompt_tail: str) -> None:
        self._several = spec.several
        self._parser = None if spec.plain else _parser(spec, prompt_tail)

    def feed(self, text: str) -> list[Delta]:
        return [Content(text)] if self._parser is None else self._kept(self._parser.feed(text))

    def finish(self, reason: wire.FinishReason, stop: str | None) -> ParsedEnd:
        if self._parser is None:
            return ParsedEnd((), reason, True, stop)
        rest = self._parser.finish(cut=reason == "length")
        deltas = tuple(self._kept(rest.deltas))
        called = rest.calls > 0 and reason == "stop"
        return ParsedEnd(deltas, "tool_calls" if called else reason, rest.parsed, stop)

    def _kept(self, deltas: Sequence[Delta]) -> list[Delta]:
        """Leaves out the calls after the first, where an answer may make only one."""
        if self._several:
            return list(deltas)
        return [delta for delta in deltas if not isinstance(delta, CallStart | CallArguments) or not delta.index]


def _parser(spec: ParserSpec, prompt_tail: str) -> AnswerParser:
    from hoshikage.tools.stream import AnswerParser  # only here: a plain answer needs nothing of it

    return AnswerParser(spec.known.form, spec.schemas, spec.thinking, prompt_tail)
