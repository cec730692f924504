"""What decodes of several tokens cost on this machine with this model, learned while it works. Engine thread; pure.

It differs more than one would think: where memory is the limit, sixteen tokens cost little more than one; where a
library's kernels for few tokens are slow, two cost as much as three alone.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final

LARGEST: Final = 64
"""More tokens than that are a prompt's."""
GUESSED: Final = 0.15
"""Of one more token, before anything was measured, in decodes of one."""
NEW_SHARE: Final = 0.25
"""Of a measurement in what was known: a machine's other work makes single ones jump."""


class Prices:
    """In decodes of one token."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._sizes: list[int] = []

    def took(self, n_tokens: int, seconds: float) -> None:
        """A decode of so many tokens took so long."""
        if n_tokens > LARGEST:
            return
        known = self._seconds.get(n_tokens)
        if known is None:
            insort(self._sizes, n_tokens)
            self._seconds[n_tokens] = seconds
        else:
            self._seconds[n_tokens] = known + NEW_SHARE * (seconds - known)

    def of(self, n_tokens: int) -> float:
        """The price of a decode of so many tokens: as measured, else between those that were."""
        one, sizes = self._seconds.get(1), self._sizes
        if one is None or n_tokens <= 1:
            return 1 + GUESSED * (n_tokens - 1)
        at = bisect_left(sizes, n_tokens)
        if at == len(sizes):
            return self._seconds[sizes[-1]] / one + GUESSED * (n_tokens - sizes[-1])
        above = self._seconds[sizes[at]]
        if sizes[at] == n_tokens:
            return above / one
        below = self._seconds[sizes[at - 1]]
        share = (n_tokens - sizes[at - 1]) / (sizes[at] - sizes[at - 1])
        return (below + share * (above - below)) / one

    def share_of_one(self, seconds: float) -> float:
        """So much time, in decodes of one token; 0 where their time is not known yet."""
        one = self._seconds.get(1)
        return 0.0 if one is None else seconds / one

    def best_group(self, texts: int) -> int:
        """How many of so many texts are best decoded together, a token of each: as many as pays.

        One, where the price of one is not known yet; then the others' can be told from it.
        """
        if 1 not in self._seconds:
            return 1
        return min(range(texts, 0, -1), key=lambda size: self.of(size) / size)
