"""Computes log probabilities by the model's own logits: no bias, grammar or sampler counts. Used in the engine
thread."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hoshikage._ffi.memory import Logits
from hoshikage.llama.context import Context

MIN_LOGPROB: Final = -9999.0
"""OpenAI's interface says this of a token that is all but impossible; JSON has no infinity."""

BLOCK: Final = 128

Scored = tuple[float, list[tuple[int, float]]]
"""A token's log probability stands here, and the likeliest tokens in its place with theirs, in order."""


def drawn(ids: NDArray[np.int32], logits: Logits, token: int, top: int) -> Scored:
    """Returns the logarithm of a token's chance among those that are left, and the likeliest of them with theirs, in
    order."""
    shifted = logits.astype(np.float64) - float(logits.max())
    scores = np.maximum(shifted - np.log(np.exp(shifted).sum()), MIN_LOGPROB)
    order = np.argsort(-scores, kind="stable")[:top]
    return float(scores[ids == token][0]), [(int(ids[at]), float(scores[at])) for at in order]


class Scorer:
    """Scores one choice after the other; its buffer is used again."""

    def __init__(self, context: Context, top: int) -> None:
        """So many of the likeliest tokens are wanted as `top` says."""
        self._context = context
        self.top = min(top, context.model.vocab.n_tokens)
        self._buffer = np.empty(context.model.vocab.n_tokens, np.float32)

    def row(self, index: int) -> Logits:
        """Returns the logits of batch index `index`; good until the next decode."""
        return self._context.logits(index)

    def score(self, logits: Logits, token: int) -> Scored:
        """Returns the chosen token's log probability by these logits, and the likeliest tokens with theirs, in
        order."""
        greatest = logits.max()
        np.subtract(logits, greatest, out=self._buffer)
        np.exp(self._buffer, out=self._buffer)
        total = float(greatest) + float(np.log(self._buffer.sum(dtype=np.float64)))
        top = likeliest(logits, self.top)
        return max(float(logits[token]) - total, MIN_LOGPROB), [
            (int(each), max(float(logits[each]) - total, MIN_LOGPROB)) for each in top
        ]


def likeliest(logits: Logits, count: int) -> NDArray[np.intp]:
    """Returns the places of the `count` greatest, the greatest first, the first of equals first.

    At least `count` of the blocks have a number as great as the one that is count-th among the blocks' greatest.
    """
    if not count:
        return np.empty(0, np.intp)
    whole = len(logits) // BLOCK * BLOCK
    heads = logits[:whole].reshape(BLOCK, -1).max(axis=0)  # columns are blocks: four times as quick as rows
    if len(heads) < count:
        result: NDArray[np.intp] = np.arange(len(logits))
    else:
        result = np.flatnonzero(logits >= np.partition(heads, -count)[-count])
    return result[np.argsort(-logits[result], kind="stable")[:count]]
