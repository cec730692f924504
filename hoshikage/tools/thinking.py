"""Thoughts in front of an answer: their marks, and how a prompt shows that they have begun. Any thread; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content, Reasoning


@dataclass(frozen=True, slots=True)
class ThoughtMarks:
    """A pair of marks around thoughts."""

    opens: str
    closes: str

    def begun(self, prompt_tail: str) -> bool:
        """Whether the prompt ends in an open mark, so that the answer begins with thoughts."""
        return prompt_tail.rstrip().endswith(self.opens)


PAIRS: Final = (
    ThoughtMarks("<think>", "</think>"),
    ThoughtMarks("[THINK]", "[/THINK]"),
    ThoughtMarks("<seed:think>", "</seed:think>"),
    ThoughtMarks("<|START_THINKING|>", "<|END_THINKING|>"),
    ThoughtMarks("<thinking>", "</thinking>"),
    ThoughtMarks("<|inner_prefix|>", "<|inner_suffix|>"),
    ThoughtMarks("<|channel>thought", "<channel|>"),
    ThoughtMarks("<mm:think>", "</mm:think>"),
)
"""Qwen, DeepSeek, GLM and most others; Magistral; Seed-OSS; Command A; and less common ones."""


def detect(template_source: str | None) -> ThoughtMarks | None:
    """The marks that a chat template knows. A model that knows none writes `<think>` as text, where it is asked to."""
    source = template_source or ""
    return next((pair for pair in PAIRS if pair.opens in source or pair.closes in source), None)


def parse(cursor: TextCursor, thinking: ThoughtMarks, begun: bool) -> Steps[None]:
    """Thoughts at the beginning of an answer, if there are any, and the white space behind them."""
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
