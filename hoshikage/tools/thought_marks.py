"""Knows the marks of thoughts, and which of them a chat template knows. Any thread; pure."""

from __future__ import annotations

from typing import Final

from hoshikage.frozen import Frozen


class ThoughtMarks(Frozen, frozen=True):
    """This is a pair of marks around thoughts."""

    opens: str
    closes: str

    def begun(self, prompt_tail: str) -> bool:
        """Returns whether the prompt ends in an open mark, so that the answer begins with thoughts."""
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
"""These are the marks of Qwen, DeepSeek, GLM and most others; Magistral; Seed-OSS; Command A; and less common ones."""


def detect(template_source: str | None) -> ThoughtMarks | None:
    """Returns the marks that a chat template knows. A model that knows none writes `<think>` as text, where it is asked
    to."""
    source = template_source or ""
    return next((pair for pair in PAIRS if pair.opens in source or pair.closes in source), None)
