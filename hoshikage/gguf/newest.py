"""Remembers the header that was read last. Any thread; blocking.

Several ask for that of one file, one soon after the other, and a large vocabulary takes 0.1 s and 10 MB to look at.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoshikage.gguf import reader
from hoshikage.gguf.header import GgufHeader

SETTLED_S: Final = 10.0
"""A file that was changed no longer ago may change once more without another time."""
_newest: dict[tuple[int, ...], GgufHeader] = {}
"""The dictionary holds one header at most, by the state of its file."""


def read(path: Path) -> GgufHeader:
    """Reads the header as `reader.read` does, but only once while the file stays as it is."""
    state, changed = _state(path)
    if (known := _newest.get(state)) is not None:
        return known
    header = reader.read(path)
    if time.time() - changed >= SETTLED_S and _state(path) == (state, changed):
        _newest.clear()
        _newest[state] = header
    return header


def _state(path: Path) -> tuple[tuple[int, ...], float]:
    """Tells one state of a file from another, and when that began: for ever after now where there is no file."""
    with suppress(OSError, ValueError):  # what reads it says what is wrong
        status = path.stat()
        state = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        return state, max(status.st_mtime, status.st_ctime)
    return (), math.inf
