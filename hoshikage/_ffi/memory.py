"""Reads C memory and makes buffers for C to fill, so that no other room needs ctypes. Used in the engine thread."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hoshikage._ffi.types import c_float, c_int32

Numbers = NDArray[np.float32]
Logits = Numbers


def floats_at(pointer: int, count: int) -> Numbers:
    """Returns the floats at `pointer`, not copied; good until the next decode."""
    return np.ctypeslib.as_array((c_float * count).from_address(pointer))


def text_from(fill: Callable[[ctypes.Array[ctypes.c_char], int], int]) -> str | None:
    """Returns what a function writes that takes a char buffer and its size and returns the text's length, or -1 for no
    text.

    Like snprintf: a longer text than fits is cut and its full length returned, so it is asked for once more.
    """
    size = 1024
    while True:
        buffer = ctypes.create_string_buffer(size)
        length = fill(buffer, size)
        if length < 0:
            return None
        if length < size:
            return buffer.raw[:length].decode("utf-8", "replace")
        size = length + 1


def bytes_from(fill: Callable[[ctypes.Array[ctypes.c_char], int], int]) -> bytes:
    """Returns what a function writes that returns the length, or the needed length negated where the buffer is too
    short."""
    buffer = ctypes.create_string_buffer(32)
    length = fill(buffer, len(buffer))
    if length < 0:
        buffer = ctypes.create_string_buffer(-length)
        length = fill(buffer, -length)
    return buffer.raw[:length]


def tokens_from(fill: Callable[[ctypes.Array[c_int32], int], int], guess: int) -> list[int] | None:
    """Returns token ids, from a function that returns their number, or the needed number negated. Returns None where it
    fails."""
    buffer = (c_int32 * guess)()
    count = fill(buffer, guess)
    if -(2**31) < count < 0:
        buffer = (c_int32 * -count)()
        count = fill(buffer, -count)
    return None if count < 0 else buffer[:count]
