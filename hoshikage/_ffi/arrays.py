"""Makes arrays that C reads by their address, so that no other room needs ctypes. Used in the engine thread."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

MAX_DEVICES: Final = 128
"""No llama_max_devices is larger; the library reads that many floats of a tensor_split."""


class Pointers:
    """This is an array of pointers that ends with a null one. Whoever hands on the address keeps it alive."""

    def __init__(self, values: Sequence[int]) -> None:
        self._array = (ctypes.c_void_p * (len(values) + 1))(*values, None)
        self.address = ctypes.addressof(self._array)


NO_DEVICES: Final = Pointers(())
"""Given as `devices` of llama_model_params, this makes the library compute on the CPU alone and take nothing of a
GPU."""


def floats(values: Sequence[float]) -> ctypes.Array[ctypes.c_float]:
    """Makes an array of floats, for a call that reads it before it returns."""
    return (ctypes.c_float * len(values))(*values)


class _Override(ctypes.Structure):
    """This is llama_model_tensor_buft_override, unchanged in all releases that have it."""

    _fields_ = [("pattern", ctypes.c_char_p), ("buft", ctypes.c_void_p)]


class TensorOverrides:
    """Regular expressions with the buffer types of the tensors that they fit, ended by a null one. As above."""

    def __init__(self, pairs: Sequence[tuple[bytes, int]]) -> None:
        self._array = (_Override * (len(pairs) + 1))(*(_Override(*pair) for pair in pairs))
        self.address = ctypes.addressof(self._array)


class Floats:
    """This is a zero-filled array of MAX_DEVICES floats with these in front. Whoever hands on the address keeps it
    alive."""

    def __init__(self, values: Sequence[float]) -> None:
        self._array = (ctypes.c_float * MAX_DEVICES)(*values[:MAX_DEVICES])
        self.address = ctypes.addressof(self._array)
