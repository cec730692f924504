"""Knows which of the libraries in the config folder is in use: names, folders, and the small file that says it. Any
thread.

`lib` is the folder that people drop files into. Beside it, `lib-slots/NAME` are libraries installed under names, and
`lib-slots/.kept/HASH` copies of libraries that have worked. `lib-slots/state.json` says which one is used, which have
worked, and what was taken back. The latest deed wins: a choice holds until the library in `lib` is changed.
The file is replaced whole, under a lock of its own; readers need none, and a damaged one says nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from hoshikage.errors import Detail, UsageError
from hoshikage.frozen import Frozen
from hoshikage.locked_file import LockedFile, dump, parse_object

MANUAL: Final = "lib"
"""The folder `lib` has this name among those of installed libraries."""
KEPT: Final = "kept:"
"""What the names of kept copies begin with."""
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9+])?")
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.I)
"""Windows takes these names for devices."""
_IN_FILE: Final = "slot"
"""The file has always called `installed` by this name."""
_HASH_DIGITS: Final = 16
_GOOD: Final = 8
_WAIT_S: Final = 5.0


class Selected(Frozen, frozen=True):
    """Selected is a choice: the library of this name, as long as the library in `lib` looks as it did."""

    installed: str
    lib_seen: str
    """`lib_seen` is the `fingerprint.look` of that library; empty where there was none."""
    before: str = ""
    """`before` was in use until then, for the way back; it is empty where none was, or it failed."""


class LastGood(Frozen, frozen=True):
    """This library has loaded a model."""

    fingerprint: str
    installed: str
    release: str
    at: str


class Fallback(Frozen, frozen=True):
    """The first load of this library failed, so that the last good one was taken back."""

    installed: str
    release: str
    file: str
    key: str
    """`key` is that of the text of the failure."""
    details: dict[str, Detail]
    at: str
    to: str
    """`to` is the fingerprint of the library that was taken back."""
    to_release: str


class LibraryState(Frozen, frozen=True):
    """A LibraryState says which library is in use, which ones have worked, and what was taken back."""

    use: Selected | None = None
    good: tuple[LastGood, ...] = ()
    """The newest stands last."""
    fallen: Fallback | None = None

    def is_good(self, fingerprint: str) -> bool:
        return any(good.fingerprint == fingerprint for good in self.good)

    def with_good(self, good: LastGood) -> LibraryState:
        others = [known for known in self.good if known.fingerprint != good.fingerprint]
        fallen = self.fallen if self.fallen is not None and self.fallen.to == good.fingerprint else None
        if self.good and replace(good, at=self.good[-1].at) == self.good[-1]:
            return replace(self, fallen=fallen)
        return replace(self, good=(*others, good)[-_GOOD:], fallen=fallen)


def checked_name(name: str) -> str:
    """Returns the name, where a library may be installed under it. Raises UsageError."""
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name) or name.lower() == MANUAL:
        raise UsageError("installed.name_invalid", name=name)
    return name


def home(lib_dir: Path) -> Path:
    return lib_dir.with_name(f"{lib_dir.name}-slots")


def folder(lib_dir: Path, name: str) -> Path:
    """Names the folder of a library's files, which need not exist. Raises UsageError for what is no library's name."""
    if name == MANUAL:
        return lib_dir
    if name.startswith(KEPT) and re.fullmatch(r"[0-9a-f]+", name.removeprefix(KEPT)):
        return home(lib_dir) / ".kept" / name.removeprefix(KEPT)
    return home(lib_dir) / checked_name(name)


def kept(fingerprint: str) -> str:
    """Returns the name of the copy of a library."""
    return KEPT + fingerprint[:_HASH_DIGITS]


def names(lib_dir: Path) -> tuple[str, ...]:
    """Returns the names of the libraries that are there: `lib` first, then the named ones, then kept copies."""
    result = [MANUAL] if lib_dir.is_dir() else []
    result += [name for name in _folders(home(lib_dir)) if _NAME.fullmatch(name)]
    result += [KEPT + name for name in _folders(home(lib_dir) / ".kept") if re.fullmatch(r"[0-9a-f]+", name)]
    return tuple(result)


def read(lib_dir: Path) -> LibraryState:
    """Reads what is written; nothing where the file is absent, damaged or not readable."""
    try:
        said = parse_object(_store(lib_dir).read().data).entries
        use, fallen = said.get("use"), said.get("fallen")
        return LibraryState(
            use=Selected(**_texts(use)) if use else None,
            good=tuple(LastGood(**_texts(good)) for good in said.get("good", ())),
            fallen=Fallback(details=dict(fallen.pop("details")), **_texts(fallen)) if fallen else None,
        )
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return LibraryState()


def change(lib_dir: Path, to: Callable[[LibraryState], LibraryState]) -> LibraryState:
    """Writes what `to` makes of the state. Raises OSError, also where another process holds the lock for long."""
    store = _store(lib_dir)
    seen = read(lib_dir)
    if to(seen) == seen:  # as at nearly every load: nothing to lock
        return seen
    with store.locked():
        before = read(lib_dir)
        after = to(before)
        if after != before:
            store.write(dump(_written(after)))
        return after


def now() -> str:
    """Returns the time in UTC, in the form of ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _store(lib_dir: Path) -> LockedFile:
    return LockedFile(home(lib_dir) / "state.json", wait_s=_WAIT_S)


def _folders(parent: Path) -> list[str]:
    try:
        return sorted(path.name for path in parent.iterdir() if path.is_dir())
    except OSError:
        return []


def _texts(row: dict[str, Any]) -> dict[str, str]:
    return {"installed" if name == _IN_FILE else name: str(value) for name, value in row.items()}


def _written(state: LibraryState) -> dict[str, Any]:
    rows = asdict(state)
    for row in (rows["use"], rows["fallen"], *rows["good"]):
        if row is not None:
            row[_IN_FILE] = row.pop("installed")
    return rows
