"""Copies the state of a sequence as bytes: out of a context's KV memory, and back. Used in the engine thread.

A state belongs to the library, the model's file and the settings of the context that it was copied from: another
context of the same goes on from it to the bit, any other refuses it, or would compute on it wrongly.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hoshikage.llama.context import Context

PARTIAL_ONLY: Final = 1
"""This is llama.h's LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY, which was SWA_ONLY at first."""
State = NDArray[np.uint8]
"""A state is bytes; whatever reads a buffer reads them."""


class SequenceStates:
    """Reads and writes the sequences of one context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._api = context.model.library.api
        lacks = context.model.library.lacks
        self.has_whole = "sequence_state" not in lacks
        """`has_whole` tells whether the release can copy a sequence's state; else there is
        `Library.require("sequence_state")`."""
        self.has_part = "state_flags" not in lacks
        """`has_part` tells whether it can leave out what stays in memory: the cells of all tokens where other layers
        keep a window or one state for all of them. Some releases leave out nothing of some kinds of memory."""

    def size(self, seq_id: int, *, part: bool = False) -> int:
        """Counts the bytes of a sequence's state as it is now."""
        api, pointer = self._api, self._context.pointer
        if part:
            return int(api.llama_state_seq_get_size_ext(pointer, seq_id, PARTIAL_ONLY))
        return int(api.llama_state_seq_get_size(pointer, seq_id))

    def get(self, seq_id: int, *, part: bool = False) -> State | None:
        """Copies a sequence's state; None where the library gives none."""
        api, pointer = self._api, self._context.pointer
        size = self.size(seq_id, part=part)
        if not size:
            return None
        state = np.empty(size, np.uint8)
        if part:
            written = api.llama_state_seq_get_data_ext(pointer, state.ctypes.data, size, seq_id, PARTIAL_ONLY)
        else:
            written = api.llama_state_seq_get_data(pointer, state.ctypes.data, size, seq_id)
        return state[:written] if written else None

    def put(self, seq_id: int, state: State | bytes, *, part: bool = False) -> bool:
        """The sequence has this state in place of its own. False where the library refuses it, or has no cells for it:
        what the sequence then holds is good for nothing, and to be taken out."""
        api, context = self._api, self._context
        data = np.frombuffer(state, np.uint8)
        if part:
            flags = PARTIAL_ONLY
            return bool(api.llama_state_seq_set_data_ext(context.pointer, data.ctypes.data, data.size, seq_id, flags))
        if context.model.spoils_sequences:  # it would keep what was there before
            context.clear()
        return bool(api.llama_state_seq_set_data(context.pointer, data.ctypes.data, data.size, seq_id))
