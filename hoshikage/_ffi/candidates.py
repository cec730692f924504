"""Lays llama_token_data_array over a numpy array: the tokens that a sampler chain shall choose from. Engine thread."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hoshikage._ffi.memory import Logits
from hoshikage._ffi.types import c_bool, c_int32, c_size_t, c_void_p

TOKEN_DATA: Final = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""This is llama_token_data, unchanged in all releases."""


class llama_token_data_array(ctypes.Structure):  # noqa: N801 - llama.h's name
    """This structure is unchanged in all releases."""

    _fields_ = [("data", c_void_p), ("size", c_size_t), ("selected", ctypes.c_int64), ("sorted", c_bool)]


class Candidates:
    """This is a buffer for up to `n_vocab` tokens, used again for every choice."""

    def __init__(self, api: SimpleNamespace, n_vocab: int) -> None:
        self._apply = api.llama_sampler_apply
        self._data = np.zeros(n_vocab, TOKEN_DATA)
        self._array = llama_token_data_array()

    def choose(self, chain: int, ids: NDArray[np.intp], logits: Logits) -> int | None:
        """Returns the token that the sampler chain selects among `ids`, which have these logits. None where it selects
        none."""
        count, array = len(ids), self._array
        self._data["id"][:count] = ids
        self._data["logit"][:count] = logits
        array.data, array.size, array.selected, array.sorted = self._data.ctypes.data, count, -1, False
        self._apply(chain, ctypes.byref(array))
        if not 0 <= array.selected < array.size:
            return None
        # A sampler may have put another buffer in the place of ours.
        address: Any = array.data
        return c_int32.from_address(address + array.selected * TOKEN_DATA.itemsize).value

    def left(self) -> tuple[NDArray[np.int32], Logits]:
        """Returns the tokens that the chain left to choose from at last, and their logits, as copies."""
        held = (ctypes.c_char * (self._array.size * TOKEN_DATA.itemsize)).from_address(self._array.data)
        result = np.frombuffer(held, TOKEN_DATA)
        return result["id"].copy(), result["logit"].copy()
