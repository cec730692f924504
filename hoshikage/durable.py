"""Replaces small files so that a kill or a power cut leaves the old or the new one, never a torn one. Any thread.

A write goes to a temporary file beside the target, is flushed to the disk, and takes the target's name; then the
folder is flushed too. Writers of one file exclude each other by a lock of their own; readers need none.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

WINDOWS: Final = os.name == "nt"
SUFFIX: Final = ".tmp"
BUSY_S: Final = 1.0


def replace(file: Path, data: bytes, *, mode: int | None = None) -> None:
    """Makes `data` the whole content of `file`. OSError where that fails.

    The file keeps its permissions, and a new one gets the usual ones; with `mode` it has those. What is written has
    them from the first byte.
    """
    kept = _mode(file) if mode is None else None
    temporary = file.with_name(f"{_prefix(file)}{secrets.token_hex(8)}{SUFFIX}")
    try:
        # O_BINARY exists on Windows only, where text mode would turn line ends.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        first = next(bits for bits in (mode, kept, 0o666) if bits is not None)
        with os.fdopen(os.open(temporary, flags, first), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if kept is not None:
            temporary.chmod(kept)
        _rename(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(file.parent)


def publish(made: Path, file: Path) -> None:
    """Gives a file that somebody has filled the name of another in the same folder, in its place. OSError."""
    with made.open("r+b") as stream:
        os.fsync(stream.fileno())
    _rename(made, file)
    flush_folder(file.parent)


def flush_folder(folder: Path) -> None:
    """Returns when the names in it are on the disk, where the system can say so."""
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(file: Path) -> None:
    """Removes what killed writers of `file` left behind. The caller holds the writers' lock."""
    for stray in strays(file):
        stray.unlink(missing_ok=True)


def strays(file: Path) -> list[Path]:
    """Lists what killed writers of `file` left behind, or writers are at. Raises OSError where nothing can be told."""
    beside = file.parent.iterdir()
    return [one for one in beside if one.name.startswith(_prefix(file)) and one.name.endswith(SUFFIX)]


def _mode(file: Path) -> int | None:
    """Returns the file's permissions; None where there is none."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(file.stat().st_mode)
    return None


def _prefix(file: Path) -> str:
    return f".{file.name}."


def _rename(temporary: Path, file: Path) -> None:
    until = time.monotonic() + (BUSY_S if WINDOWS else 0)
    while not _renamed(temporary, file, last=time.monotonic() >= until):
        time.sleep(0.01)  # Windows tells nobody when a reader closes the file


def _renamed(temporary: Path, file: Path, *, last: bool) -> bool:
    try:
        temporary.replace(file)
    except PermissionError:  # on Windows also while a reader has the target open
        if last:
            raise
        return False
    return True
