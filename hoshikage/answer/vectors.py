"""Reads vectors as the engine sends them. Any thread; pure."""

from __future__ import annotations

import sys
from array import array


def floats_of(raw: bytes) -> list[float]:
    numbers = array("f", raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
