"""Put-away sequences lie here: files of a folder of this user's, or memory without a name. Any thread; blocking.

A runner fills a file by its path, and a later one reads it so, so that no state passes a pipe. A file in the making has
a name of its own until all of it is on the disk: a kill or a power cut leaves no state under the name of a whole one.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from hoshikage import durable, kv_file
from hoshikage.frozen import Frozen

MARGIN: Final = 2**30
"""This many bytes stay free for other programs."""
STORED: Final = re.compile(r"([0-9a-f]{32})-[0-9a-f]{16}\.kv")
PART: Final = re.compile(r"part-[0-9a-f]{32}")
PART_S: Final = 600.0
"""Nobody takes more seconds to fill a file: who left one behind lives no more."""


class StoredFile(Frozen, frozen=True):
    """This is one sequence that is stored."""

    path: str
    key: str
    size: int
    saved_at: float
    """`saved_at` is a Unix time."""


class StateFiles(Protocol):
    """The store needs this of a place for files."""

    lasts: bool
    """`lasts` tells whether the files outlive this process."""

    def files(self) -> list[StoredFile]: ...

    def free_bytes(self) -> int:
        """Returns how many bytes may be taken of what the system has left."""

    def make(self) -> str:
        """Makes a new empty file, and returns its path. Raises OSError."""

    def publish(self, path: str, key: str) -> None:
        """Makes the file that `make` made whole: it is one of `files` from now on, whatever happens. Raises OSError."""

    def touch(self, path: str) -> None:
        """Marks the file as being as new as one that is published now."""

    def remove(self, path: str) -> None:
        """Removes the file, whole or not; does nothing where there is none."""

    def close(self) -> None:
        """No file of this place is needed any more by this server."""


class FolderFiles:
    """FolderFiles keeps its files in a folder, where they stay until they are removed."""

    lasts = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> list[StoredFile]:
        result = []
        for entry in self._entries():
            key = self._key_of(entry.name)
            with suppress(OSError):  # another server has just removed it
                status = entry.stat(follow_symlinks=False)
                if key is not None and entry.is_file(follow_symlinks=False):
                    result.append(StoredFile(entry.path, key, status.st_size, status.st_mtime))
                elif PART.fullmatch(entry.name) and time.time() - status.st_mtime > PART_S:
                    os.unlink(entry.path)  # noqa: PTH108 - as os.scandir has it
        return result

    def free_bytes(self) -> int:
        self._prepare()
        return shutil.disk_usage(self.folder).free - MARGIN

    def make(self) -> str:
        self._prepare()
        path = self.folder / f"part-{secrets.token_hex(16)}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, kv_file.MODE))
        return str(path)

    def publish(self, path: str, key: str) -> None:
        durable.publish(Path(path), self.folder / self._name_of(key))

    def touch(self, path: str) -> None:
        with suppress(OSError):
            os.utime(path)

    def remove(self, path: str) -> None:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - a text is what the runner knows it by

    def close(self) -> None:
        """Leaves the files for the next server."""

    def _name_of(self, key: str) -> str:
        """Returns the name of one more file."""
        return f"{key}-{secrets.token_hex(8)}.kv"

    def _key_of(self, name: str) -> str | None:
        """Returns the key of a file by its name; None for a file that is no whole one of ours."""
        matched = STORED.fullmatch(name)
        return None if matched is None else matched[1]

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.folder) as entries:
                return list(entries)
        except OSError:
            return []


class TemporaryFiles(FolderFiles):
    """TemporaryFiles keeps its files in a folder that goes with this server, where a system has no memory without a
    name that others can open."""

    lasts = False

    def __init__(self) -> None:
        super().__init__(Path(tempfile.gettempdir()) / f"hoshikage-kv-{secrets.token_hex(8)}")

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class MemoryFiles:
    """MemoryFiles keeps its files in memory that has no name and goes with this process, however it ends. Linux only.

    A runner opens it by this process's list of descriptors, which only this user may.
    """

    lasts = False

    def __init__(self, available: Callable[[], int]) -> None:
        """`available` tells how many bytes of memory are free."""
        self._available = available
        self._made: dict[str, int] = {}
        """A path leads to its descriptor here."""
        self._whole: dict[str, tuple[str, float]] = {}
        """A path leads to its key and time here."""

    def files(self) -> list[StoredFile]:
        return [
            StoredFile(path, key, os.fstat(self._made[path]).st_size, at) for path, (key, at) in self._whole.items()
        ]

    def free_bytes(self) -> int:
        return self._available() - MARGIN

    def make(self) -> str:
        if sys.platform != "linux":
            raise OSError("no memory without a name")
        descriptor = os.memfd_create("hoshikage-kv", os.MFD_CLOEXEC)
        path = f"/proc/{os.getpid()}/fd/{descriptor}"
        self._made[path] = descriptor
        return path

    def publish(self, path: str, key: str) -> None:
        self._whole[path] = key, time.time()

    def touch(self, path: str) -> None:
        if path in self._whole:
            self._whole[path] = self._whole[path][0], time.time()

    def remove(self, path: str) -> None:
        self._whole.pop(path, None)
        descriptor = self._made.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        for path in [*self._made]:
            self.remove(path)
