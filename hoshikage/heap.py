"""Knows what a process holds of memory: what was freed goes back to the system, what stays is looked at once. Any
thread."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""The names and numbers are those of glibc's malloc.h."""
LARGE: Final = 256 << 10
"""A block of this many bytes or more is mapped by itself, and goes back to the system when it is freed."""


def tame() -> None:
    """Has all threads share one heap, and large blocks stand outside of it: for the start of a process. What threads
    have freed of heaps of their own never goes back, and after the first large block that is freed nothing does until
    twice its size is free. Does nothing where the C library has no such settings."""
    adjust = _of_libc("mallopt")
    if adjust is not None:
        for parameter, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, LARGE)):
            adjust(parameter, value)


def trim() -> None:
    """Does nothing where the C library has no such call. Takes milliseconds, up to some tens after much was freed."""
    release = _of_libc("malloc_trim")
    if release is not None:
        release(0)


def give_back() -> None:
    """Collects cyclic garbage and returns freed memory to the system, after work that made much of both."""
    gc.collect()
    trim()


def _of_libc(name: str) -> Any:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    return getattr(ctypes.CDLL(None), name, None)


@contextmanager
def growing() -> Iterator[None]:
    """Stops collections during a start, which makes what stays: looking through it would be a twentieth of its time.
    Ends with the block, or when it is settled."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """Collects what the start of the process left behind, and exempts what is there now from all later collections."""
    gc.unfreeze()  # what `cli.main` set aside for the start
    gc.collect()
    gc.freeze()
    gc.enable()
    trim()
