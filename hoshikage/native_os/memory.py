"""Bounds how much memory of its own this process may take for a while, and knows what stands in it. Any thread; one at
a time."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hoshikage.native_os.interrupt import may_end

MAX_BYTES: Final = 2**30
STATM: Final = Path("/proc/self/statm")
DATA: Final = 5
"""The pages of data and stacks are the number at this place of /proc/self/statm."""
M_PERTURB: Final = -6  # malloc.h of glibc


@contextlib.contextmanager
def bounded(maximum: int = MAX_BYTES) -> Iterator[None]:
    """Lets this process take so many bytes more than now; what asks for more is refused by the system (MemoryError).
    Only Linux can do so.

    Nothing is bounded where the process may not be lost: the limit is that of the whole of it.
    """
    if not may_end() or sys.platform != "linux":
        yield
        return
    import resource

    pages = int(STATM.read_text("ascii").split()[DATA])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = pages * resource.getpagesize() + maximum
    if soft != resource.RLIM_INFINITY and soft < limit:
        yield
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def blank() -> None:
    """From now on memory is given out without what stood in it before, where the C library can: that of GNU alone.

    A library that writes a whole buffer to a file, of which it has filled a part, would write what others freed.
    """
    setting = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if setting is not None:
        setting(M_PERTURB, 0xFF)  # the complement is what new memory is filled with
