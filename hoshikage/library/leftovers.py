"""Takes away what killed processes left in the cache and in the system's temporary folder. Any thread; blocking."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoshikage.durable import SUFFIX

CALIBRATION: Final = "hoshikage-calibration-"
"""A folder in which layouts are worked out has a name that begins so."""
OLD_S: Final = 3600.0
"""Nothing that a process still works with is so old."""


def sweep(cache: Path, temporary: Path | None = None) -> None:
    """Removes old temporary files of the cache, and folders of calibrations that nobody ended; what cannot be removed
    stays."""
    for file in _old(cache.rglob(f".*{SUFFIX}"), stat.S_ISREG):
        with suppress(OSError):
            file.unlink()
    for folder in _old((temporary or Path(tempfile.gettempdir())).glob(f"{CALIBRATION}*"), stat.S_ISDIR):
        shutil.rmtree(folder, ignore_errors=True)


def _old(entries: Iterable[Path], is_kind: Callable[[int], bool]) -> Iterator[Path]:
    """Finds those of this user that are of that kind, no links, and old."""
    with suppress(OSError):
        for entry in tuple(entries):
            with suppress(OSError):
                status = entry.lstat()
                own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
                if own and is_kind(status.st_mode) and time.time() - status.st_mtime > OLD_S:
                    yield entry
