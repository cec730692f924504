"""Keeps one keeper for one folder: the lock of a store, held by whoever serves it. Any thread."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from hoshikage.errors import UsageError

NAME: Final = "lock"


class FolderLock:
    """It is taken for the life of a server or of a command; the system gives it back when that is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: FileLock | None = None

    def take(self) -> None:
        """Raises UsageError where another program has it, or the folder cannot be made."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self._folder / NAME, thread_local=False)
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError("remember.folder_busy", folder=str(self._folder)) from None
        except OSError as error:
            reason = error.strerror or errno.errorcode.get(error.errno or 0, str(error))
            raise UsageError("remember.folder_unusable", folder=str(self._folder), reason=reason) from None
        self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
