"""Arrays that C reads by their address, so that no other room needs ctypes. Used in the engine thread."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

MAX_DEVICES: Final = 128
"""No llama_max_devices is larger; the library reads that many floats of a tensor_split."""


class Floats:
    """A zero-filled array of MAX_DEVICES floats with these in front. Whoever hands on the address keeps it alive."""

    def __init__(self, values: Sequence[float]) -> None:
        self._array = (ctypes.c_float * MAX_DEVICES)(*values[:MAX_DEVICES])
        self.address = ctypes.addressof(self._array)
