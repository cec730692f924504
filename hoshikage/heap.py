"""What a process holds of memory: what was freed goes back to the system, what stays is looked at once. Any thread."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def trim() -> None:
    """Does nothing where the C library has no such call. Takes milliseconds, up to some tens after much was freed."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    release = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if release is not None:
        release(0)


@contextmanager
def growing() -> Iterator[None]:
    """For a start, which makes what stays: looking through it for what does not would be a twentieth of its time. Ends
    with the block, or when it is settled."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """For the time after: what the start left behind goes, and what is there now is never looked through again."""
    gc.unfreeze()  # what `cli.main` set aside for the start
    gc.collect()
    gc.freeze()
    gc.enable()
    trim()
