"""How much of the waiting prompts goes into one decode while other answers flow. Engine thread; pure."""

from __future__ import annotations

from typing import Final

LEAST: Final = 32
FIRST: Final = 64
QUICK_S: Final = 0.08
SLOW_S: Final = 0.2
"""A decode that takes longer is felt as a stop in the answers that flow."""


class PromptChunk:
    """Finds the number of prompt tokens that a decode takes about SLOW_S for, whatever computes."""

    def __init__(self, n_batch: int) -> None:
        self._most = n_batch
        self.tokens = min(FIRST, n_batch)
        """To be put into the next decode."""

    def took(self, tokens: int, seconds: float) -> None:
        """A decode with so many prompt tokens took so long."""
        if seconds > SLOW_S and tokens > LEAST:
            self.tokens = max(LEAST, tokens // 2)
        elif seconds < QUICK_S and tokens >= self.tokens:
            self.tokens = min(self._most, self.tokens * 2)
