"""Holds the token batch of one context. Used in the context's thread."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from hoshikage._ffi.types import c_int8, c_int32, c_void_p, llama_batch


class Batch:
    """These tokens are decoded together, at most `capacity`; reused from decode to decode.

    The arrays are ours rather than llama_batch_init's: b3889 returns a larger struct than later releases, and arrays
    of known length cannot be overrun. Each token belongs to one sequence.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.n_tokens = 0
        self._token = (c_int32 * capacity)()
        self._pos = (c_int32 * capacity)()
        self._n_seq_id = (c_int32 * capacity)(*([1] * capacity))
        self._seq = (c_int32 * capacity)()
        start = ctypes.addressof(self._seq)
        self._seq_id = (c_void_p * capacity)(*(start + 4 * i for i in range(capacity)))
        self._logits = (c_int8 * capacity)()
        self.struct = llama_batch(
            token=ctypes.addressof(self._token),
            pos=ctypes.addressof(self._pos),
            n_seq_id=ctypes.addressof(self._n_seq_id),
            seq_id=ctypes.addressof(self._seq_id),
            logits=ctypes.addressof(self._logits),
        )

    def clear(self) -> None:
        self.n_tokens = 0

    def extend(self, tokens: Sequence[int], pos: int, seq_id: int) -> None:
        """Adds tokens that follow each other, the first at `pos`, without logits. Raises ValueError when there is no
        room."""
        begin, count = self.n_tokens, len(tokens)
        end = begin + count
        self._token[begin:end] = list(tokens)
        self._pos[begin:end] = list(range(pos, pos + count))
        self._seq[begin:end] = [seq_id] * count
        self._logits[begin:end] = [0] * count
        self.n_tokens = end

    def add(self, token: int, pos: int, seq_id: int, logits: bool) -> int:
        """Adds one token, and returns its index in the batch, by which its logits are asked for. Raises IndexError when
        full."""
        index = self.n_tokens
        self._token[index] = token
        self._pos[index] = pos
        self._seq[index] = seq_id
        self._logits[index] = logits
        self.n_tokens = index + 1
        return index
