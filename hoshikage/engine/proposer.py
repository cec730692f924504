"""Guesses the next tokens of a text, so that several are checked in one decode. Engine thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Proposer(Protocol):
    """A proposer guesses what comes next in one text. A wrong guess costs time and changes nothing."""

    def propose(self, tokens: Sequence[int], maximum: int) -> Sequence[int]:
        """Returns what may follow `tokens`, the whole text so far; at most `maximum` tokens, often none."""

    def verified(self, guessed: int, accepted: int) -> None:
        """Takes note of how many of the last guess's tokens were right."""

    def close(self) -> None: ...
