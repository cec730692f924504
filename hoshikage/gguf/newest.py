"""Remembers the headers that were read last. Any thread; blocking.

Several ask for that of one file, one soon after the other, and a large vocabulary takes 0.1 s and 10 MB to look at. A
server that sleeps hands them to the one that wakes.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from hoshikage.gguf.header import GgufHeader

SETTLED_S: Final = 10.0
"""A file that was changed no longer ago may change once more without another time."""
MAX_KEPT: Final = 8
MAX_BYTES: Final = 64 << 10
"""A header is handed over where it takes no more than these bytes."""
State = tuple[int, ...]
_newest: dict[State, GgufHeader | bytes] = {}
"""The dictionary holds few headers by the state of their files, the newest last; as bytes those that were handed
over."""
_changing: Final = threading.Lock()


def read(path: Path) -> GgufHeader:
    """Reads the header as `reader.read` does, but only once while the file stays as it is."""
    state, changed = _state(path)
    if (known := _known(state)) is not None:
        return known
    from hoshikage.gguf import reader  # who knows the header needs none of it

    header = reader.read(path)
    if time.time() - changed >= SETTLED_S and _state(path) == (state, changed):
        _keep(state, header)
    return header


def kept() -> list[tuple[State, bytes]]:
    """Returns what `take_over` takes, as plain values."""
    with _changing:
        rows = list(_newest.items())
    packed = [(state, one if isinstance(one, bytes) else msgspec.msgpack.encode(one)) for state, one in rows]
    return [(state, data) for state, data in packed if len(data) <= MAX_BYTES]


def take_over(rows: Iterable[tuple[State, bytes]]) -> None:
    """Goes on with the headers that a server of this very version has kept."""
    with _changing:
        _newest.update(rows)


def _known(state: State) -> GgufHeader | None:
    header = _newest.get(state)
    if isinstance(header, bytes):
        header = msgspec.msgpack.decode(header, type=GgufHeader)
    if header is not None:
        _keep(state, header)
    return header


def _keep(state: State, header: GgufHeader) -> None:
    with _changing:
        _newest.pop(state, None)
        while len(_newest) >= MAX_KEPT:
            del _newest[next(iter(_newest))]
        _newest[state] = header


def _state(path: Path) -> tuple[State, float]:
    """Tells one state of a file from another, and when that began: for ever after now where there is no file."""
    with suppress(OSError, ValueError):  # what reads it says what is wrong
        status = path.stat()
        state = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        return state, max(status.st_mtime, status.st_ctime)
    return (), math.inf
