"""Draws a token by temperature, top-k, top-p and min-p without an array of the whole vocabulary. Engine thread; pure.

The library makes one of every token for each choice, which takes longer than a graphics card needs for the token itself
where the vocabulary is large. Most choices are among a few tokens: those are found in the logits as they lie there. The
chances are the library's, each sampler in the order that is asked for; and so is the draw: a Mersenne Twister's next
number meets the sum of the chances in the order of the array. A seed gives the tokens that it gives there.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hoshikage._ffi.memory import Logits
from hoshikage.llama.logprobs import likeliest
from hoshikage.params import RANDOM_SEED

BLOCK: Final = 512
"""This many chances are added up at once where all tokens are left."""
LOOKS: Final = (128, 2048)
"""A top-p looks at so many of the likeliest tokens, first at few; where none of these suffices, all are sorted."""


@dataclass(slots=True)
class _Left:
    """These tokens are left, with their logits."""

    values: Logits
    ids: NDArray[np.intp] | None = None
    """`ids` are their numbers; None stands for all, in their order."""
    is_sorted: bool = False
    """`is_sorted` tells whether the likeliest comes first."""

    def keep(self, places: NDArray[np.intp], *, is_sorted: bool) -> None:
        self.ids = places if self.ids is None else self.ids[places]
        self.values = self.values[places]
        self.is_sorted = is_sorted

    def best(self, count: int) -> None:
        """Leaves the `count` likeliest, sorted."""
        if not self.is_sorted:
            self.keep(likeliest(self.values, min(count, len(self.values))), is_sorted=True)
        elif self.ids is not None and count < len(self.values):
            self.ids, self.values = self.ids[:count], self.values[:count]


class Drawing:
    """One answer has one Drawing."""

    def __init__(self, steps: Sequence[tuple[str, float]], min_keep: int, seed: int) -> None:
        """`steps` are samplers of STEPS with their values, in order. Every one leaves at least `min_keep` tokens."""
        self._steps = [(STEPS[name], value) for name, value in steps]
        self._min_keep = max(1, min_keep)
        self._random = np.random.RandomState(secrets.randbits(32) if seed == RANDOM_SEED else seed)

    def draw(self, logits: Logits) -> int | None:
        """Returns the place in `logits` of the token that is drawn; None where they are no numbers."""
        return self.drawn(logits, int.from_bytes(self._random.bytes(8), "little") / 2**64)

    def drawn(self, logits: Logits, chance: float) -> int | None:
        """Draws as `draw` does, by this number of 0 to 1."""
        left = self.left(logits)
        if not len(left.values):
            return None
        shares = np.exp(left.values - left.values.max())
        at = _place(shares, chance)
        return at if at is None or left.ids is None else int(left.ids[at])

    def left(self, logits: Logits) -> _Left:
        """Returns what the samplers leave."""
        left = _Left(logits)
        for step, value in self._steps:
            if len(left.values):  # comparing with what is no number leaves nothing
                step(left, value, self._min_keep)
        return left


def _place(shares: NDArray[np.float32], chance: float) -> int | None:
    """Finds where the sum of the shares reaches the part `chance` of the whole; None where the shares are no
    numbers."""
    if len(shares) <= 2 * BLOCK:
        sums = np.cumsum(shares, dtype=np.float64)
        return int(sums.searchsorted(sums[-1] * chance)) if sums[-1] > 0 else None
    whole = len(shares) // BLOCK * BLOCK
    rest = shares[whole:].sum(dtype=np.float64)
    blocks = np.cumsum(np.append(shares[:whole].reshape(-1, BLOCK).sum(1, dtype=np.float64), rest))
    if not blocks[-1] > 0:
        return None
    wanted = blocks[-1] * chance
    block = int(blocks.searchsorted(wanted))
    before = float(blocks[block - 1]) if block else 0.0
    sums = np.cumsum(shares[block * BLOCK : (block + 1) * BLOCK], dtype=np.float64)
    return block * BLOCK + min(int(sums.searchsorted(wanted - before)), len(sums) - 1)


def _top_k(left: _Left, count: float, _min_keep: int) -> None:
    left.best(int(count))


def _top_p(left: _Left, share: float, min_keep: int) -> None:
    shares = np.exp(left.values - left.values.max())
    wanted = shares.sum(dtype=np.float64) * share
    if not left.is_sorted:
        for count in LOOKS:
            order = likeliest(left.values, min(count, len(shares)))
            if shares[order].sum(dtype=np.float64) >= wanted:
                break
        else:
            order = np.argsort(-left.values)
        left.keep(order, is_sorted=True)
        shares = shares[order]
    left.best(max(int(np.cumsum(shares, dtype=np.float64).searchsorted(wanted)) + 1, min_keep))


def _min_p(left: _Left, share: float, min_keep: int) -> None:
    wide = left.values >= left.values.max() + np.float32(np.log(np.float32(share)))
    count = int(np.count_nonzero(wide))
    if count < min_keep:
        left.best(min_keep)
    elif left.is_sorted:
        left.best(count)
    else:
        left.keep(np.flatnonzero(wide), is_sorted=False)


def _temperature(left: _Left, temperature: float, _min_keep: int) -> None:
    left.values = left.values / np.float32(temperature)


STEPS: Final = {"top_k": _top_k, "top_p": _top_p, "min_p": _min_p, "temperature": _temperature}
