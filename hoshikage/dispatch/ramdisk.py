"""Keeps the copy of the current model in memory (RAMDISK_PATH), which outlives the runner. Any thread; blocking; Linux.

One model at a time. The copy's name carries the identity of its source, so one that has become stale is never used;
a published copy is never written to again. In any doubt there is none, and a notice says why.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import field

from hoshikage.dispatch.headroom import available_memory
from hoshikage.dispatch.private_folder import PART, Doubt, FolderEntry, PrivateFolder, opened
from hoshikage.dispatch.source_files import SourceFile, SourceFiles
from hoshikage.errors import Detail
from hoshikage.frozen import Frozen

MARGIN: Final = 2**30
"""This many bytes stay free, for the context and for other programs."""
CHUNK: Final = 4 * 2**20
STEP: Final = 32 * 2**20
"""This many bytes are reserved, and copied, at a time: after a few milliseconds it is looked whether to go on."""
PATIENCE_S: Final = 10.0

OnProgress = Callable[[float], bool]
"""It is told the share that is done, from 0 to 1, may keep the copy waiting, and cancels it by returning False."""


class CopyCancelled(Exception):
    """The copy is no longer wanted; what there was of it is gone."""


class Notice(Frozen, frozen=True):
    """This becomes a line of the log: a `logging` level, a text of the catalogue."""

    level: int
    key: str
    details: dict[str, Detail]


class Placed(Frozen, frozen=True):
    """A Placed says where to load a model from: the copy in memory, or the file itself. `notice` is None where there is
    no RAM disk."""

    file: Path
    in_memory: bool
    notice: Notice | None


class Released(Frozen, frozen=True):
    """A Released says how many bytes went back to the system. `notice` is None where there were none."""

    size: int
    notice: Notice | None


class HeldCopy(Frozen, frozen=True):
    """This is the copy in use, for /v1/status."""

    source: Path
    size: int


def _platform() -> str:
    return sys.platform


def _user() -> int:
    return os.geteuid() if sys.platform != "win32" else 0


def _free_bytes(fd: int) -> int:
    result = os.fstatvfs(fd)
    return result.f_bavail * result.f_frsize


class MemoryState(Frozen, frozen=True):
    """The RAM disk asks the system by these, and goes in steps of `chunk` bytes."""

    platform: str = field(default_factory=_platform)
    uid: int = field(default_factory=_user)
    free_bytes: Callable[[int], int] = _free_bytes
    """The function returns the free bytes of the file system that a descriptor lies in."""
    available_memory: Callable[[], int] = available_memory
    chunk: int = CHUNK
    patience_s: float = PATIENCE_S
    """Another server of this user may keep us from changing entries for so many seconds."""


class RamDisk:
    """Finds a model's copy (`find`), makes it (`place`) and takes it out (`release`, `clear_away`). `place` and
    `release` wait for one another, the others for moments only."""

    def __init__(self, root: Path | None, machine: MemoryState | None = None, limit: int = 0) -> None:
        """`root` None is off, and so is every system but Linux. `limit`: bytes the copy may take; 0 is no bound."""
        self._limit = limit
        self._machine = machine or MemoryState()
        self._root = root if self._machine.platform == "linux" else None
        self._making = threading.Lock()
        """The lock is held as long as a copy is being made, or removed."""
        self._busy = threading.Lock()
        """The lock is held for moments, and taken after the other."""
        self._entry: FolderEntry | None = None
        self._held: HeldCopy | None = None
        self._leaving: list[FolderEntry] = []
        """These copies are used by nobody any more, and held against everybody until they are removed."""

    @property
    def held(self) -> HeldCopy | None:
        """Gives the copy that this server holds in memory, if any. Never waits."""
        return self._held

    @property
    def is_on(self) -> bool:
        return self._root is not None

    @property
    def has_leaving(self) -> bool:
        """Tells whether there is something to clear away."""
        return bool(self._leaving)

    def find(self, file: Path) -> Placed:
        """Returns where the model whose (first) file this is can be loaded from: its copy, where a current one is
        there, else the file itself. Copies of other models are out of use then, and go with `clear_away`; another
        server's stays while that server holds it."""
        if self._root is None:
            return Placed(file, False, None)
        with self._busy:
            try:
                return self._find(self._root, file)
            except (Doubt, OSError, ValueError):  # `place` will say what is wrong
                return Placed(file, False, None)

    def place(self, file: Path, on_progress: OnProgress) -> Placed:
        """Copies the model whose (first) file this is into memory, in place of any other, unless it is there already.

        Another server's copy stays while that server holds it. Raises CopyCancelled; whatever else goes wrong, the
        file itself is the answer, with a warning.
        """
        if self._root is None:
            return Placed(file, False, None)
        with self._making:
            try:
                return self._place(self._root, file, on_progress)
            except Doubt as doubt:
                return Placed(file, False, Notice(logging.WARNING, doubt.key, doubt.details))
            except (OSError, ValueError) as error:
                return Placed(file, False, self._failed(error))

    def clear_away(self) -> None:
        """Gives back the memory of copies that `find` has put out of use: a third of a second for each GiB, which no
        load need wait for. Never raises."""
        with self._busy:
            leaving, self._leaving = self._leaving, []
        if self._root is None or not leaving:
            return
        try:
            with opened(self._root, self._machine.uid) as folder:
                for entry in leaving:
                    folder.abandon(entry)
        except (Doubt, OSError):
            for entry in leaving:
                entry.close()  # whoever comes next removes what is left

    def release(self) -> Released:
        """Removes this server's copy, and what servers left behind that live no more. Never raises."""
        return self._remove("")

    def sweep(self) -> Released:
        """Removes unfinished copies of servers that live no more; for the start. Never raises."""
        return self._remove(PART)

    def _remove(self, prefix: str) -> Released:
        if self._root is None:
            return Released(0, None)
        with self._making, self._busy:
            if not prefix:
                self._let_go()
            try:
                with opened(self._root, self._machine.uid) as folder, folder.locked(self._machine.patience_s):
                    size = sum(folder.remove(name) for name in folder.names() if name.startswith(prefix))
            except FileNotFoundError:
                return Released(0, None)
            except Doubt as doubt:
                return Released(0, Notice(logging.WARNING, doubt.key, doubt.details))
            except OSError as error:
                return Released(0, self._failed(error))
        return Released(
            size, Notice(logging.INFO, "dispatch.ramdisk_released", {"mib": size / 2**20}) if size else None
        )

    def _find(self, root: Path, file: Path) -> Placed:
        began = time.monotonic()
        self._let_go()
        sources = SourceFiles.of(file)
        with opened(root, self._machine.uid) as folder:
            with folder.locked(self._machine.patience_s):
                entry = folder.use(sources.copy_name, sources.sizes)
                others = [name for name in folder.names() if entry is None or name != sources.copy_name]
                self._leaving += [one for one in map(folder.take, others) if one is not None]
            if entry is None:
                return Placed(file, False, None)
            return self._hold(folder, entry, sources, "dispatch.ramdisk_reused", began)

    def _place(self, root: Path, file: Path, on_progress: OnProgress) -> Placed:
        began = time.monotonic()
        sources, key = SourceFiles.of(file), "dispatch.ramdisk_reused"
        with opened(root, self._machine.uid, create=True) as folder:
            with self._busy:
                self._let_go()
                entry = self._reserve(folder, sources)
            if entry.name != sources.copy_name:
                key = "dispatch.ramdisk_copied"
                self._fill(folder, entry, sources, on_progress)
            with self._busy:
                if entry.name != sources.copy_name:
                    entry = self._publish(folder, entry, sources)
                return self._hold(folder, entry, sources, key, began)

    def _hold(self, folder: PrivateFolder, entry: FolderEntry, sources: SourceFiles, key: str, began: float) -> Placed:
        """The copy is in use from now on; `key` says how that came."""
        try:
            path = folder.path_of(entry, sources.first)
        except BaseException:
            entry.close()
            raise
        self._entry, self._held = entry, HeldCopy(sources.file, sources.size)
        ms = (time.monotonic() - began) * 1000
        details: dict[str, Detail] = {"file": str(path), "mib": sources.size / 2**20, "ms": ms}
        return Placed(path, True, Notice(logging.INFO, key, details))

    def _reserve(self, folder: PrivateFolder, sources: SourceFiles) -> FolderEntry:
        """Returns the copy that is there, or else a part to fill; other copies make way first."""
        with folder.locked(self._machine.patience_s):
            entry = self._use_alone(folder, sources)
            if entry is not None:
                return entry
            self._check_room(folder, sources.size)
            return folder.make_part()

    def _use_alone(self, folder: PrivateFolder, sources: SourceFiles) -> FolderEntry | None:
        """Returns the copy of these files, where it is there; others are removed, as far as nobody holds them."""
        name = sources.copy_name
        entry = folder.use(name, sources.sizes)
        try:
            for other in folder.names():
                if entry is None or other != name:
                    folder.remove(other)
        except OSError:
            if entry is not None:
                entry.close()
            raise
        return entry

    def _check_room(self, folder: PrivateFolder, size: int) -> None:
        if self._limit and size > self._limit:
            raise Doubt("dispatch.ramdisk_limit", mib=size / 2**20, maximum=self._limit / 2**20)
        free = self._machine.free_bytes(folder.fd)
        if free < size + MARGIN:
            raise _no_room(folder, size, free)
        available = self._machine.available_memory()
        # Twice: the pages that a loaded model is mapped to count as available, and must not make way for its copy.
        if available < 2 * size + MARGIN:
            raise Doubt("dispatch.ramdisk_no_memory", mib=size / 2**20, free=available / 2**20)

    def _fill(self, folder: PrivateFolder, part: FolderEntry, sources: SourceFiles, on_progress: OnProgress) -> None:
        """Copies all files into the part, or leaves nothing of it."""
        size = sources.size
        try:
            for source in sources.all:
                _allocate(part, source, on_progress)
            done = 0
            for source in sources.all:
                done = _copy(part, source, done, size, on_progress, self._machine.chunk)
            for source in sources.all:
                source.check_unchanged(source.file.stat())
            _tell(on_progress, 1.0)
        except BaseException as error:
            free = self._machine.free_bytes(folder.fd)
            with suppress(OSError):
                folder.abandon(part)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(folder, size, free) from None
            raise

    def _publish(self, folder: PrivateFolder, part: FolderEntry, sources: SourceFiles) -> FolderEntry:
        """Makes the part a copy, and returns it, or another server's where that was quicker. Leaves nothing of a part
        it cannot publish."""
        try:
            with folder.locked(self._machine.patience_s):
                quicker = folder.use(sources.copy_name, sources.sizes)
                if quicker is None:
                    folder.publish(part, sources.copy_name)
                    return part
        except BaseException:
            folder.abandon(part)
            raise
        folder.abandon(part)
        return quicker

    def _let_go(self) -> None:
        if self._entry is not None:
            self._entry.close()
        self._entry = self._held = None

    def _failed(self, error: OSError | ValueError) -> Notice:
        reason = getattr(error, "strerror", None) or str(error)
        return Notice(logging.WARNING, "dispatch.ramdisk_failed", {"folder": str(self._root), "reason": reason})


def _allocate(part: FolderEntry, source: SourceFile, on_progress: OnProgress) -> None:
    """Takes the memory first, so that a full file system is found before anything is copied."""
    target = os.open(source.copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=part.fd)
    try:
        for begin in range(0, source.size, STEP):
            _tell(on_progress, 0.0)
            os.posix_fallocate(target, begin, min(STEP, source.size - begin))
    finally:
        os.close(target)


def _copy(part: FolderEntry, source: SourceFile, done: int, total: int, on_progress: OnProgress, chunk: int) -> int:
    """Fills one file, makes it read-only, and gives the bytes of the model that are done."""
    origin = os.open(source.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        source.check_unchanged(os.fstat(origin))
        target = os.open(source.copy, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=part.fd)
        try:
            at = 0
            while at < source.size:
                _tell(on_progress, (done + at) / total)
                sent = os.sendfile(target, origin, at, min(chunk, source.size - at))
                if sent == 0:
                    break
                at += sent
            if at != source.size or os.fstat(target).st_size != source.size:
                raise Doubt("dispatch.ramdisk_changed", file=str(source.file))
            os.fsync(target)  # nothing in memory; on a disk a power cut must not leave a copy without its content
            os.fchmod(target, 0o400)
        finally:
            os.close(target)
    finally:
        os.close(origin)
    return done + source.size


def _tell(on_progress: OnProgress, share: float) -> None:
    if not on_progress(share):
        raise CopyCancelled


def _no_room(folder: PrivateFolder, size: int, free: int) -> Doubt:
    return Doubt("dispatch.ramdisk_no_room", folder=str(folder.path), mib=size / 2**20, free=free / 2**20)
