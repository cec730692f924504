"""Keeps one small file that many processes read, and change one after the other. Any thread; many processes.

Readers take no lock, because a write replaces the file as a whole (`durable`). A writer holds the lock file
`NAME.lock` beside it, removes what killed writers left behind, and may keep a copy of what it wrote as the last good
state. A link, as dotfile managers make them, stays a link: its target is locked and replaced.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from hoshikage import durable
from hoshikage.frozen import Frozen

PRIVATE: Final = 0o600
"""Only the owner may read and write a file of this mode."""
MAX_BYTES: Final = 16 * 1024 * 1024
WAIT_S: Final = 30.0
POLL_S: Final = 0.01
Signature = tuple[int, int, int, int]
"""A Signature tells one state of a file from another: time of change in ns, size, inode, mode."""


class FileBusy(OSError):
    """Another process has held the lock for too long."""


class NoSmallFile(OSError):
    """What is there is no regular file, or it is too large."""


class NoObject(ValueError):
    """The file holds JSON that is no object."""


class FileContent(Frozen, frozen=True):
    """This is one state of the file."""

    status: os.stat_result
    data: bytes

    @property
    def signature(self) -> Signature:
        return signature(self.status)


class JsonObject(Frozen, frozen=True):
    """This is a JSON object as it stands in a file, where a name may stand twice; the last one counts."""

    entries: dict[str, Any]
    doubled: tuple[str, ...]
    """`doubled` are the names that stand twice in the object itself."""
    doubled_within: bool
    """`doubled_within` tells whether a name stands twice in an object inside it."""


class LockedFile:
    """This is the file, its lock, and where it has one its last good copy."""

    def __init__(
        self,
        file: Path,
        *,
        mode: int | None = None,
        max_bytes: int = MAX_BYTES,
        wait_s: float = WAIT_S,
        follow_link: bool = True,
        last_good: Path | None = None,
    ) -> None:
        """`mode` are the permissions of what is written; without it the file keeps those it has.

        A writer waits for the lock `wait_s` seconds at most.
        """
        self.file = file
        self.last_good = last_good
        self._mode = mode
        self._max_bytes = max_bytes
        self._wait_s = wait_s
        self._follow_link = follow_link

    @property
    def lock(self) -> Path:
        """Gives the path of the lock file, which stays: to remove it would let two writers in."""
        target = self._target()
        return target.with_name(f"{target.name}.lock")

    def status(self) -> os.stat_result:
        """Returns what the system says of the file now. Raises OSError where it says nothing."""
        return self.file.stat(follow_symlinks=self._follow_link)

    def read(self, file: Path | None = None) -> FileContent:
        """Reads the file's content, or that of `file` in its place. Raises FileNotFoundError, NoSmallFile, OSError."""
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        flags |= getattr(os, "O_NONBLOCK", 0)  # a pipe of that name would block the open for ever
        flags |= 0 if self._follow_link else getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(file or self.file, flags), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > self._max_bytes:
                raise NoSmallFile(f"no regular file of {self._max_bytes} bytes at most")
            return FileContent(status, stream.read())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other writers out until the block ends. Makes the folder. FileBusy, OSError."""
        from filelock import FileLock, Timeout

        target = self._target()
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock, timeout=self._wait_s, poll_interval=POLL_S)
        try:
            held = lock.acquire()
        except Timeout as error:
            raise FileBusy(str(error)) from None
        with held:
            durable.sweep(target)
            yield

    def write(self, data: bytes) -> None:
        """Makes `data` the whole content, durably. The caller holds the lock. OSError where that fails."""
        target = self._target()
        durable.replace(target, data, mode=self._mode)
        if self.last_good is not None:
            durable.replace(self.last_good, data, mode=permissions(target))

    def sweep(self) -> None:
        """Removes what killed writers left beside the file; not while another writes, and not where it may not."""
        with suppress(OSError):
            files = [file for file in (self._target(), self.last_good) if file is not None and durable.strays(file)]
            if files:
                self._sweep(files)

    def _sweep(self, files: list[Path]) -> None:
        from filelock import FileLock, Timeout

        with suppress(Timeout), FileLock(self.lock, timeout=0):
            for file in files:
                durable.sweep(file)

    def _target(self) -> Path:
        return Path(os.path.realpath(self.file)) if self._follow_link else self.file


def signature(status: os.stat_result) -> Signature:
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode


def permissions(file: Path) -> int:
    """Returns a copy's permissions: of the file's own, what reading and writing are; the owner's alone where nothing
    can be told."""
    try:
        return stat.S_IMODE(file.stat().st_mode) & 0o666
    except OSError:
        return PRIVATE


def parse_object(data: bytes) -> JsonObject:
    """Returns what the bytes say. Raises ValueError for what is no JSON object, RecursionError where it nests too deep.

    A number that could not be written as JSON again is a ValueError, too.
    """
    doubled: list[tuple[str, ...]] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        doubled.append(tuple(name for name, count in Counter(name for name, _ in pairs).items() if count > 1))
        return dict(pairs)

    raw = json.loads(data.decode("utf-8-sig"), object_pairs_hook=collect, parse_float=_finite, parse_constant=_finite)
    if not isinstance(raw, dict):
        raise NoObject("no JSON object")
    *within, outermost = doubled  # objects end from the inside out
    return JsonObject(raw, outermost, any(within))


def dump(entries: dict[str, Any]) -> bytes:
    """Writes the entries as people can read them. Raises RecursionError where they nest too deep."""
    try:
        return (json.dumps(entries, ensure_ascii=False, indent=2) + "\n").encode()
    except UnicodeEncodeError:  # half of a surrogate pair in an entry that was written by hand
        return (json.dumps(entries, indent=2) + "\n").encode()


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(word)
    return number
