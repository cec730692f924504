"""Keeps a folder of one user inside one that everybody may write to, such as /dev/shm. Linux; any thread; blocking.

Everything goes through the folder's descriptor, so that nobody who can write beside it can bend a path. It holds
entries: folders `copy-…`, published and never changed again, and `part-…`, which are being written, with `.gguf` files
under names of ours. Whatever has another name, kind or owner is left alone.

A writer holds an exclusive lock on its part, a user a shared one on its copy; the system takes them away when the
process ends, however it ends. Entries come, change names and go under the folder's own lock alone.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hoshikage.errors import Detail

if sys.platform != "win32":
    import fcntl

PART: Final = "part-"
COPY: Final = "copy-"
ENTRY: Final = re.compile(r"(part|copy)-[0-9a-f]{32}")
FILE: Final = re.compile(r"weights(-\d{5}-of-\d{5})?\.gguf")
FOLDER_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
)
POLL_S: Final = 0.02


class Doubt(Exception):
    """The folder is better left alone, for this reason: a text of the catalogue."""

    def __init__(self, key: str, **details: Detail) -> None:
        super().__init__(key)
        self.key = key
        self.details = details


class FolderEntry:
    """This is an open entry and the lock on it, until `close`."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd

    def close(self) -> None:
        """Closes the entry. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class PrivateFolder:
    """This is `root/hoshikage-<uid>`, checked to be this user's alone. Made by `opened`."""

    def __init__(self, path: Path, fd: int, uid: int) -> None:
        self.path = path
        self.fd = fd
        self._uid = uid

    @contextmanager
    def locked(self, patience_s: float) -> Iterator[None]:
        """Excludes every other process that changes entries. Raises Doubt when one keeps the lock for so long."""
        until = time.monotonic() + patience_s
        while not _locked(self.fd, fcntl.LOCK_EX):
            if time.monotonic() >= until:
                raise Doubt("dispatch.ramdisk_busy", folder=str(self.path))
            time.sleep(POLL_S)  # flock takes no bound of time: it waits for ever, or not at all
        try:
            yield
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    # Under the lock

    def names(self) -> list[str]:
        """Returns the names of the folder's entries that are ours."""
        return [name for name in os.listdir(self.fd) if ENTRY.fullmatch(name)]  # noqa: PTH208 - by descriptor

    def use(self, name: str, sizes: Mapping[str, int]) -> FolderEntry | None:
        """Opens the copy of that name, kept from removal while it is open; None unless it is exactly these files."""
        entry = self._open(name)
        if entry is None:
            return None
        try:
            if _locked(entry.fd, fcntl.LOCK_SH) and self._sizes(entry) == sizes:
                return entry
        except OSError:
            entry.close()
            raise
        entry.close()
        return None

    def make_part(self) -> FolderEntry:
        """Makes a new empty entry, kept from removal while it is open."""
        name = PART + secrets.token_hex(16)
        os.mkdir(name, 0o700, dir_fd=self.fd)
        entry = self._open(name)
        if entry is None:
            raise Doubt("dispatch.ramdisk_unsafe", folder=str(self.path))
        fcntl.flock(entry.fd, fcntl.LOCK_EX)
        return entry

    def publish(self, part: FolderEntry, name: str) -> None:
        """Gives a finished part the name of a copy. OSError where another has it."""
        os.rename(part.name, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        part.name = name
        fcntl.flock(part.fd, fcntl.LOCK_SH)

    def remove(self, name: str) -> int:
        """Removes an entry that no process holds; gives the bytes of its files, 0 where it stays."""
        entry = self.take(name)
        return 0 if entry is None else self.abandon(entry)

    def take(self, name: str) -> FolderEntry | None:
        """Takes an entry that no process holds, for this one alone while it is open: nobody uses it any more."""
        entry = self._open(name)
        if entry is None or _locked(entry.fd, fcntl.LOCK_EX):
            return entry
        entry.close()
        return None

    # With or without it

    def abandon(self, entry: FolderEntry) -> int:
        """Removes an entry that this process holds exclusively; gives the bytes of its files."""
        freed = 0
        try:
            for name in os.listdir(entry.fd):  # noqa: PTH208 - by descriptor
                result = os.stat(name, dir_fd=entry.fd, follow_symlinks=False)
                if FILE.fullmatch(name) and stat.S_ISREG(result.st_mode):
                    os.unlink(name, dir_fd=entry.fd)
                    freed += result.st_size
            with suppress(OSError):  # something that is not ours lies in it
                os.rmdir(entry.name, dir_fd=self.fd)
        finally:
            entry.close()
        return freed

    def path_of(self, entry: FolderEntry, name: str) -> Path:
        """Returns the path of a file in an entry. Raises Doubt where that path leads elsewhere than our descriptors."""
        path = self.path / entry.name / name
        if not os.path.samestat(path.lstat(), os.stat(name, dir_fd=entry.fd, follow_symlinks=False)):
            raise Doubt("dispatch.ramdisk_unsafe", folder=str(self.path))
        return path

    def _open(self, name: str) -> FolderEntry | None:
        try:
            entry = FolderEntry(name, os.open(name, FOLDER_FLAGS, dir_fd=self.fd))
        except OSError:
            return None
        if os.fstat(entry.fd).st_uid != self._uid:
            entry.close()
            return None
        return entry

    def _sizes(self, entry: FolderEntry) -> dict[str, int]:
        """Returns the size of each name, -1 for what is no file of ours."""
        sizes = {}
        for name in os.listdir(entry.fd):  # noqa: PTH208 - by descriptor
            result = os.stat(name, dir_fd=entry.fd, follow_symlinks=False)
            ours = stat.S_ISREG(result.st_mode) and result.st_uid == self._uid
            sizes[name] = result.st_size if ours else -1
        return sizes


@contextmanager
def opened(root: Path, uid: int, *, create: bool = False) -> Iterator[PrivateFolder]:
    """Opens the folder of user `uid` in `root`. Raises Doubt where others could get at it, OSError where it is not
    there."""
    path = root / f"hoshikage-{uid}"
    outer = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = _open_inner(outer, path, uid, create=create)
    finally:
        os.close(outer)
    try:
        yield PrivateFolder(path, fd, uid)
    finally:
        os.close(fd)


def _open_inner(outer: int, path: Path, uid: int, *, create: bool) -> int:
    around = os.fstat(outer)
    others_write = around.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if around.st_uid not in (0, uid) or (others_write and not around.st_mode & stat.S_ISVTX):
        raise Doubt("dispatch.ramdisk_unsafe", folder=str(path.parent))  # others could exchange our folder
    if create:
        with suppress(FileExistsError):
            os.mkdir(path.name, 0o700, dir_fd=outer)
    try:
        fd = os.open(path.name, FOLDER_FLAGS, dir_fd=outer)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EACCES):  # a link, a file, a stranger's folder
            raise Doubt("dispatch.ramdisk_unsafe", folder=str(path)) from None
        raise
    result = os.fstat(fd)
    if result.st_uid != uid or stat.S_IMODE(result.st_mode) & 0o777 != 0o700:
        os.close(fd)
        raise Doubt("dispatch.ramdisk_unsafe", folder=str(path))
    return fd


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
