"""Acts on the libraries in the config folder: keep a copy, choose one, go back, remove. Any thread; blocking.

Why copies: whoever copies a new libllama over one that a process has mapped kills that process, and what was copied
over is gone. So the library that people can reach is not the one that is loaded: its files are copied once, by
content, into `lib-slots/.kept`. A hard link would not do, for it shares the content. Where the file system can share
blocks the copy costs nothing; elsewhere sets over LARGEST_COPY (CUDA) are loaded from where they are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from hoshikage.errors import NoLibraryTried, NotFound, UsageError
from hoshikage.frozen import Frozen
from hoshikage.library import contents, fingerprint, library_state, locate, staging
from hoshikage.library.library_state import LastGood, LibraryState, Selected

LARGEST_COPY: Final = 256 << 20
COPIES: Final = 3
_FICLONE: Final = 0x40049409
"""This is an ioctl of Linux: the target shares the source's blocks until one of them is written (btrfs, XFS,
bcachefs)."""


class InstalledLibrary(Frozen, frozen=True):
    """This is one library of the config folder, not judged."""

    name: str
    file: Path | None
    """`file` is None where the folder holds no libllama."""
    release: str
    backends: tuple[str, ...]
    size_bytes: int
    record: staging.InstallRecord | None


def library(lib_dir: Path, name: str) -> InstalledLibrary:
    """Finds the library of that name. Raises NotFound."""
    folder = library_state.folder(lib_dir, name)
    if not folder.is_dir():
        known = ", ".join(library_state.names(lib_dir)) or "-"
        raise NotFound("installed.unknown", name=name, known=known)
    staging.tidy(folder)
    file = locate.in_named(folder, name)
    if file is not None:
        return replace(described(file), name=name)
    return InstalledLibrary(name, None, "", (), 0, None)


def described(file: Path) -> InstalledLibrary:
    """Describes libllama at `file`, without a name. The size is that of the set, without programs beside it."""
    record = staging.read_record(file.parent)
    release = (record.release if record else None) or contents.release(file.parent, file) or ""
    return InstalledLibrary("", file, release, contents.backends(file.parent), contents.size(file), record)


def use(lib_dir: Path, name: str, before: str = "") -> None:
    """Chooses this library from the next load on; `before` is the one that was in use. Raises NotFound, OSError."""
    library(lib_dir, name)
    chosen = Selected(name, hand_look(lib_dir), before if before != name else "")
    library_state.change(lib_dir, lambda state: replace(state, use=chosen, fallen=None))


def previous(lib_dir: Path, cache_dir: Path, current: str) -> tuple[LastGood, InstalledLibrary] | None:
    """Returns the library that worked last before the one whose fingerprint is `current`, where its files are still
    there."""
    for good in reversed(library_state.read(lib_dir).good):
        if good.fingerprint == current:
            continue
        for name in dict.fromkeys((good.installed, library_state.kept(good.fingerprint))):
            with suppress(NotFound, UsageError, OSError):
                result = library(lib_dir, name)
                if result.file is not None and fingerprint.of_set(result.file, cache_dir) == good.fingerprint:
                    return good, result
    return None


def remove(lib_dir: Path, name: str, in_use: str) -> Path | None:
    """Removes a library that is not in use; gives the path at which files put there by hand were kept.

    Raises NotFound, UsageError, InstallFailed, OSError.
    """
    result = library(lib_dir, name)
    if name == library_state.MANUAL:
        raise UsageError("installed.hand_not_removed", folder=str(lib_dir))
    if name == in_use:
        raise UsageError("installed.in_use", name=name)
    folder = library_state.folder(lib_dir, result.name)
    if name.startswith(library_state.KEPT):
        staging.discard(folder)
        return None
    with staging.installing(folder):
        return staging.retire(folder)


def hand_look(lib_dir: Path) -> str:
    """Returns how the library in `lib` looks now; empty where there is none, or none that can be read."""
    try:
        file = locate.in_folder(lib_dir)
        return fingerprint.look(file) if file is not None else ""
    except OSError:
        return ""


def copied(file: Path, content: str, lib_dir: Path, cache_dir: Path, environ: Mapping[str, str]) -> Path:
    """Returns the file to load in the stead of `file`, whose set has the fingerprint `content`: its copy, or `file`
    itself.

    Raises LibraryUnavailable where the files change while they are copied.
    """
    name = library_state.kept(content)
    folder = library_state.folder(lib_dir, name)
    with suppress(OSError):
        known = folder / file.name
        if known.is_file() and fingerprint.of_set(known, cache_dir) == content:
            return known
    try:
        work = _beside(folder)
    except OSError:
        return file  # a config folder that cannot be written
    try:
        if not _copy_all(contents.members(file), work):
            return file
        copy = work / file.name
        if fingerprint.of_set(copy, cache_dir) != content:
            if fingerprint.of_set(file, cache_dir) != content:
                raise NoLibraryTried("lacks.changing", path=str(file))
            return file  # a set spread over folders
        if _lacks(copy, environ) - _lacks(file, environ):
            return file  # it finds what it needs only from where it is
        staging.discard(folder)
        work.rename(folder)
    except OSError:
        return file
    finally:
        staging.discard(work)
    return folder / file.name


def prune(lib_dir: Path, current: str) -> None:
    """Removes all but the newest copies; the one in use, the one that a rollback leads to and the one of
    fingerprint `current` count as new.
    """
    state = library_state.read(lib_dir)
    with suppress(OSError):
        os.utime(library_state.folder(lib_dir, library_state.kept(current)))
    spared = {library_state.kept(current), state.use.installed if state.use else "", *_last_good(state)}
    if state.use is not None and state.use.before:
        spared.add(state.use.before)
    ages = []
    for name in library_state.names(lib_dir):
        if name.startswith(library_state.KEPT) and name not in spared:
            with suppress(OSError):
                ages.append((library_state.folder(lib_dir, name).stat().st_mtime_ns, name))
    for _age, name in sorted(ages, reverse=True)[max(0, COPIES - len(spared)) :]:
        staging.discard(library_state.folder(lib_dir, name))


def _last_good(state: LibraryState) -> Iterable[str]:
    return (library_state.kept(good.fingerprint) for good in state.good[-2:])


def _beside(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return staging.staging(folder)


def _copy_all(paths: list[Path], target: Path) -> bool:
    """Copies all; returns False where that would take too much room."""
    sizes = sum(path.stat().st_size for path in paths)
    for path in paths:
        if _cloned(path, target / path.name):
            contents.give_mode(path, target / path.name)
        else:
            if sizes > LARGEST_COPY:
                return False
            contents.copy(path, target / path.name)
    return True


def _cloned(source: Path, target: Path) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            return False
    return True


def _lacks(file: Path, environ: Mapping[str, str]) -> set[tuple[str, str]]:
    from hoshikage.library import dependencies  # only here: what is kept already is not surveyed

    return {(lack.key, str(lack.details.get("needs", lack.file.name))) for lack in dependencies.survey(file, environ)}
