"""Puts a finished library folder in the place of the old one, and mends what an interrupted swap left.

Beside the library folder `lib` live only for a while: `.lib-new-*` (being filled), `.lib-old-*` (the former folder,
between the two renames) and `.lib-trash-*` (being removed). Whoever holds the lock may touch them. Any thread;
blocking.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from hoshikage.errors import InstallFailed

RECORD: Final = "library.json"
"""Written into an installed folder: where it came from and which files it has."""
_SWAP_S: Final = 10.0
"""The two renames of a running installation take milliseconds; a reader waits for them this long at most."""


@contextmanager
def installing(lib_dir: Path) -> Iterator[None]:
    """The right to change `lib_dir`, for one process at a time; leftovers are gone. Raises InstallFailed."""
    try:
        lib_dir.parent.mkdir(parents=True, exist_ok=True)
        with _lock(lib_dir).acquire(timeout=0):
            _mend(lib_dir)
            yield
    except TimeoutError:  # filelock's Timeout is one
        raise InstallFailed("library.install_running", path=str(lib_dir)) from None


def staging(lib_dir: Path) -> Path:
    """A new empty folder beside `lib_dir`, on the same file system."""
    folder = _beside(lib_dir, "new")
    folder.mkdir()
    return folder


def swap(new: Path, lib_dir: Path) -> Path | None:
    """Renames `new` to `lib_dir`; the caller is `installing`. At every moment the old or the new one can be found.

    A former folder that holds files which no installation put there is not removed but kept; its new path is
    returned. Raises InstallFailed when the system refuses a rename, with the old folder back in its place.
    """
    old: Path | None = None
    if os.path.lexists(lib_dir):
        old = _beside(lib_dir, "old")
        _rename(lib_dir, old, lib_dir)
    try:
        _rename(new, lib_dir, lib_dir)
    except InstallFailed:
        if old is not None:
            old.rename(lib_dir)
        raise
    return None if old is None else _retire(old, lib_dir)


def tidy(lib_dir: Path) -> None:
    """Mends what a crash left, unless an installation is running. Costs one directory listing where all is well."""
    try:
        if not _leftovers(lib_dir, "*"):
            return
        in_between = not os.path.lexists(lib_dir) and bool(_leftovers(lib_dir, "old"))
        with _lock(lib_dir).acquire(timeout=_SWAP_S if in_between else 0):
            _mend(lib_dir)
    except OSError:  # also the lock's Timeout: whoever holds it mends; a folder we may not change stays as it is
        return


def discard(folder: Path) -> None:
    """Removes a folder, or only the link where it is one. What cannot be removed now is removed by a later tidy."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def read_record(folder: Path) -> dict[str, object]:
    """`library.json` of an installed folder; empty where there is none or it is damaged."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _retire(old: Path, lib_dir: Path) -> Path | None:
    if _all_ours(old):
        trash = _beside(lib_dir, "trash")
        old.rename(trash)
        discard(trash)
        return None
    kept = lib_dir.with_name(f"{lib_dir.name}-by-hand-{time.strftime('%Y%m%d-%H%M%S')}")
    while os.path.lexists(kept):
        kept = kept.with_name(f"{kept.name}-{secrets.token_hex(2)}")
    old.rename(kept)
    return kept


def _all_ours(folder: Path) -> bool:
    """Whether every file in the folder is one that an installation put there (it holds the record of them)."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    listed = read_record(folder).get("files", {})
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - {RECORD}
    return isinstance(listed, dict) and present <= set(listed)


def _mend(lib_dir: Path) -> None:
    for old in _leftovers(lib_dir, "old"):
        if os.path.lexists(lib_dir):
            _retire(old, lib_dir)
        else:
            old.rename(lib_dir)
    for folder in _leftovers(lib_dir, "new") + _leftovers(lib_dir, "trash"):
        discard(folder)


def _rename(source: Path, target: Path, lib_dir: Path) -> None:
    try:
        source.rename(target)
    except PermissionError as error:
        # Windows refuses to move a folder with a loaded DLL in it.
        raise InstallFailed("library.in_use", path=str(lib_dir), reason=error.strerror or "") from None
    except OSError as error:
        raise InstallFailed("library.not_placed", path=str(lib_dir), reason=error.strerror or "") from None


def _lock(lib_dir: Path) -> FileLock:
    return FileLock(lib_dir.with_name(f".{lib_dir.name}.lock"))


def _beside(lib_dir: Path, role: str) -> Path:
    return lib_dir.with_name(f".{lib_dir.name}-{role}-{secrets.token_hex(4)}")


def _leftovers(lib_dir: Path, role: str) -> list[Path]:
    return sorted(lib_dir.parent.glob(f".{lib_dir.name}-{role}-*"))
