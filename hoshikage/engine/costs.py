"""Learns what decodes of several tokens cost on this machine with this model, while it works. Engine thread; pure.

It differs more than one would think: where memory is the limit, sixteen tokens cost little more than one; where a
library's kernels for few tokens are slow, two cost as much as three alone. A machine's other work only ever makes a
decode longer, so that the shortest of the last ones is what it costs; and the first decodes of another width than the
one before are no measure of it, as a GPU prepares itself in them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import Final

LARGEST: Final = 64
"""A decode of more tokens holds a prompt's."""
GUESSED: Final = 0.25
"""One more token has this cost, in decodes of one, before anything was measured."""
WARM_UP: Final = 2
"""So many decodes of one width in a row are not learned from, where better ones are known."""
WINDOW: Final = 16
"""The shortest of at least so many decodes counts, and of at most twice as many."""
SURE: Final = 6
"""The shortest of so many decodes is no accident."""
PROBE: Final = WARM_UP + 2
"""A run of so many decodes measures a group of another size."""
HICCUP: Final = 32
"""A decode that takes so many times as long as another of its width was held up: it counts as no more than that."""
CROWDED: Final = 2
"""Where decodes of one token take so many times as long on average as the shortest, other processes want the processor,
and a decode that is longer than a slice of its time is put off: then the average counts, not the shortest."""
FIRST_LOOK: Final = 32
"""After so many decodes of several answers another size of group is measured; then after twice as many, and so on."""
LAST_LOOK: Final = 512
"""The interval does not grow beyond this: measuring takes less than a hundredth of the decodes."""
MIN_CHUNK: Final = 32
"""So many tokens of a prompt go into a decode beside answers that flow, or more."""
FIRST_CHUNK: Final = 64
"""Before anything was measured, so many tokens of a prompt go into such a decode."""
CHUNK_WINDOW: Final = 4
"""The window is of so many decodes with a part of a prompt, which grow dearer as the prompt goes on."""
CHUNK_S: Final = 0.15
"""A decode with a part of a prompt shall take no longer: more is felt as a stop in the answers that flow."""


class _Width:
    """The shortest decodes of one number of tokens: of those since the window was moved, and of those before."""

    __slots__ = ("before", "count", "first", "mean_before", "now", "total", "window")

    def __init__(self, window: int = WINDOW) -> None:
        self.first = self.now = self.before = math.inf
        self.total = self.mean_before = 0.0
        self.window = window
        self.count = 0

    def move(self) -> None:
        """Begins a new part of the window, in which nothing counts that is older than the last one."""
        if self.now < math.inf:
            self.mean_before = self.mean
            self.before, self.now = self.now, math.inf
            self.total, self.count = 0.0, 0

    @property
    def mean(self) -> float:
        """Gives the average seconds of those in the window; 0 where there are none."""
        if self.mean_before:
            return (self.total + self.window * self.mean_before) / (self.count + self.window)
        return self.total / self.count if self.count else 0.0

    @property
    def minimum(self) -> float:
        """Gives the least seconds; those of a first decode only where there is no better measure."""
        best = min(self.now, self.before)
        return best if best < math.inf else self.first


class BatchCost:
    """Learns from every decode of one context, and says what the next ones should be."""

    def __init__(self, n_batch: int) -> None:
        self._n_batch = n_batch
        self._widths: dict[int, _Width] = {}
        self._sizes: list[int] = []
        self._width = self._run = 0
        """These are the last decode's width, and how many of it came in a row."""
        self._entry = _Width()
        self._rate = _Width(CHUNK_WINDOW)
        """This measures the seconds of a decode with a part of a prompt, per token of it."""
        self._chunk = min(FIRST_CHUNK, n_batch)
        self._probe = self._left = 0
        """These are the size of group that is being measured, and how many decodes of it are left."""
        self._looks: dict[int, int] = {}
        """The size of a group leads here to when it was measured last."""
        self._turn = 0
        self._interval = self._until_look = FIRST_LOOK

    def took(self, n_tokens: int, n_prompt: int, seconds: float) -> None:
        """Learns from a decode of so many tokens, `n_prompt` of them a prompt's, measured to its very end."""
        width = -n_prompt if n_prompt else n_tokens
        if width != self._width:
            self._width, self._run = width, 0
            self._entry = self._rate if n_prompt else self._entry_of(n_tokens)
        self._run += 1
        entry = self._entry
        if n_prompt:
            seconds /= n_tokens
        if self._run <= WARM_UP:
            if seconds < entry.first:
                entry.first = seconds
            return
        if seconds < entry.now:
            entry.now = seconds
        entry.total += seconds if seconds < HICCUP * entry.now else HICCUP * entry.now
        entry.count += 1
        if entry.count == entry.window:
            entry.move()
        if n_prompt:
            self._resize(n_prompt)

    def of(self, n_tokens: int) -> float:
        """Returns the cost of a decode of so many tokens, in decodes of one: as measured, else between those that
        were."""
        one, sizes = self.seconds_of_one, self._sizes
        if not one or n_tokens <= 1:
            return 1 + GUESSED * (n_tokens - 1)
        at = bisect_left(sizes, n_tokens)
        if at == len(sizes):
            return self._widths[sizes[-1]].minimum / one + GUESSED * (n_tokens - sizes[-1])
        above = self._widths[sizes[at]].minimum
        if sizes[at] == n_tokens:
            return above / one
        below = self._widths[sizes[at - 1]].minimum
        share = (n_tokens - sizes[at - 1]) / (sizes[at] - sizes[at - 1])
        return (below + share * (above - below)) / one

    @property
    def seconds_of_one(self) -> float:
        """Gives the seconds of a decode of one token; 0 where they are not known yet."""
        entry = self._widths.get(1)
        return 0.0 if entry is None or entry.minimum == math.inf else entry.minimum

    @property
    def chunk(self) -> int:
        """Says how many tokens of prompts to put into the next decode beside answers that flow."""
        return self._chunk

    def group(self, texts: int) -> int:
        """Says how many of so many texts to decode together next, a token of each.

        It is what is quickest for all; now and then it is another size, several times in a row, whose cost is measured.
        """
        if self._left and self._probe <= texts:
            self._left -= 1
            return self._probe
        if not self._is_sure(1):
            return self._look(1, WARM_UP + SURE)
        self._until_look -= 1
        if self._until_look <= 0:
            self._interval = min(LAST_LOOK, 2 * self._interval)
            self._until_look = self._interval
            return self._look(self._least_known(texts), PROBE)
        if not self._is_sure(texts):
            return texts  # measured as it goes
        one = self._widths[1]
        crowded = one.mean > CROWDED * one.minimum
        return min(self._groups(texts), key=lambda size: (self._mean(size) if crowded else self.of(size)) / size)

    def _mean(self, size: int) -> float:
        """Returns the average cost of a group, in decodes of one; as `of` says where it was not measured."""
        entry, one = self._widths.get(size), self._widths[1]
        return entry.mean / one.mean if entry is not None and entry.mean else self.of(size)

    def _look(self, size: int, decodes: int) -> int:
        self._entry_of(size).move()
        self._turn += 1
        self._looks[size] = self._turn
        self._probe, self._left = size, decodes - 1
        return size

    def _groups(self, texts: int) -> list[int]:
        """Sizes worth a thought, the largest first: all, and powers of two."""
        return [texts, *(1 << power for power in range((texts - 1).bit_length() - 1, -1, -1))]

    def _least_known(self, texts: int) -> int:
        """Returns the size whose measuring is longest ago."""
        return min(self._groups(texts), key=lambda size: self._looked_at(size))

    def _looked_at(self, size: int) -> int:
        return self._looks.get(size, 0)

    def _is_sure(self, size: int) -> bool:
        entry = self._widths.get(size)
        return entry is not None and (entry.count >= SURE or entry.before < math.inf)

    def _entry_of(self, n_tokens: int) -> _Width:
        if n_tokens > LARGEST:
            return _Width()
        entry = self._widths.get(n_tokens)
        if entry is None:
            entry = self._widths[n_tokens] = _Width()
            insort(self._sizes, n_tokens)
        return entry

    def _resize(self, n_prompt: int) -> None:
        """Sets the chunk to what a decode may take; at most to twice what has been tried."""
        wanted = int(CHUNK_S / max(self._rate.minimum, 1e-9))
        self._chunk = max(min(MIN_CHUNK, self._n_batch), min(wanted, 2 * n_prompt, self._n_batch))
