"""Puts a finished library folder in the place of the old one, and mends what an interrupted swap left.

Beside the library folder `lib` live only for a while: `.lib-new-*` (being filled), `.lib-old-*` (the former folder,
between the two renames) and `.lib-trash-*` (being removed). Whoever holds the lock may touch them. Any thread;
blocking.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hoshikage import durable
from hoshikage.errors import InstallFailed
from hoshikage.frozen import Frozen

if TYPE_CHECKING:
    from filelock import BaseFileLock

RECORD: Final = "library.json"
_SWAP_S: Final = 10.0
"""The two renames of a running installation take milliseconds; a reader waits for them this long at most."""


class InstallRecord(Frozen, frozen=True):
    """This is written into an installed folder as `library.json`: where it came from and which files it has."""

    source: str
    """`source` is `npm`, `github`, `url`, `archive` or `folder`."""
    origin: str
    release: str
    backends: tuple[str, ...]
    installed_at: str
    """`installed_at` is UTC in ISO 8601."""
    files: dict[str, str]
    """`files` maps a path below the folder to its SHA-256."""
    size_bytes: int


@contextmanager
def installing(lib_dir: Path) -> Iterator[None]:
    """Gives the right to change `lib_dir`, to one process at a time; leftovers are gone. Raises InstallFailed."""
    from filelock import Timeout

    lib_dir.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(lib_dir)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InstallFailed("library.install_running", path=str(lib_dir)) from None
    try:
        _mend(lib_dir)
        yield
    finally:
        lock.release()


def staging(lib_dir: Path) -> Path:
    """Makes a new empty folder beside `lib_dir`, on the same file system."""
    folder = _beside(lib_dir, "new")
    folder.mkdir()
    return folder


def make_durable(folder: Path) -> None:
    """Returns when the folder's files are on the disk, so that a power cut cannot leave a new folder of empty files."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            durable.flush_folder(path)
        elif not path.is_symlink():
            with path.open("r+b") as stream:
                os.fsync(stream.fileno())


def swap(new: Path, lib_dir: Path, keep: Path | None = None) -> Path | None:
    """Renames `new` to `lib_dir`; the caller is `installing`. At every moment the old or the new one can be found.

    A former folder that holds files which no installation put there is not removed but kept; its new path is
    returned. Any other goes to `keep`, where that is given and free. Raises InstallFailed when the system refuses a
    rename, with the old folder back in its place.
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
    return None if old is None else _retire(old, lib_dir, keep)


def retire(lib_dir: Path) -> Path | None:
    """Takes `lib_dir` away as `swap` does with a former folder; the caller is `installing`. Raises InstallFailed."""
    old = _beside(lib_dir, "trash" if _all_ours(lib_dir) else "old")
    _rename(lib_dir, old, lib_dir)
    return _retire(old, lib_dir)


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


def read_record(folder: Path) -> InstallRecord | None:
    """Reads what is written of an installed folder; None where nothing is, or something damaged."""
    try:
        said = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return InstallRecord(
            source=str(said["source"]),
            origin=str(said["origin"]),
            release=str(said["release"]),
            backends=tuple(str(name) for name in said["backends"]),
            installed_at=str(said["installed_at"]),
            files={str(name): str(digest) for name, digest in said["files"].items()},
            size_bytes=int(said["size_bytes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(folder: Path, record: InstallRecord) -> None:
    text = json.dumps(asdict(record), ensure_ascii=False, indent=2)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def _retire(old: Path, lib_dir: Path, keep: Path | None = None) -> Path | None:
    if _all_ours(old):
        if keep is not None and not keep.exists():
            keep.parent.mkdir(parents=True, exist_ok=True)
            old.rename(keep)
            return None
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
    """Returns whether every file in the folder is one that an installation put there (it holds the record of them)."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    record = read_record(folder)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - {RECORD}
    return present <= set(record.files if record else ())


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


def _lock(lib_dir: Path) -> BaseFileLock:
    from filelock import FileLock  # only here: its import takes a megabyte, and a start installs nothing

    return FileLock(lib_dir.with_name(f".{lib_dir.name}.lock"))


def _beside(lib_dir: Path, role: str) -> Path:
    return lib_dir.with_name(f".{lib_dir.name}-{role}-{secrets.token_hex(4)}")


def _leftovers(lib_dir: Path, role: str) -> list[Path]:
    """Returns what earlier installations left behind. `role` may be `*`. The name is compared whole: one library's may
    begin with another's."""
    roles = "new|old|trash" if role == "*" else role
    exact = re.compile(rf"\.{re.escape(lib_dir.name)}-(?:{roles})-[0-9a-f]+")
    try:
        return sorted(path for path in lib_dir.parent.iterdir() if exact.fullmatch(path.name))
    except FileNotFoundError:
        return []
