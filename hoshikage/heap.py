"""Gives memory that was freed back to the system, where the C library keeps it otherwise. Any thread; blocking."""

from __future__ import annotations

import sys


def trim() -> None:
    """Does nothing where the C library has no such call. Takes milliseconds, up to some tens after much was freed."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    release = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if release is not None:
        release(0)
