"""Keeps what is put away of conversations when a runner ends, and gives it to the next one (KV_STORE). Event loop; its
blocking parts run in threads, one at a time.

The runner writes and reads the files; here is decided which there are: those of the same key, bounded in size and age,
none that another one goes on from.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hoshikage import kv_file, wire
from hoshikage.dispatch.headroom import available_memory
from hoshikage.dispatch.kv_files import FolderFiles, MemoryFiles, StateFiles, StoredFile, TemporaryFiles
from hoshikage.dispatch.kv_key import key_of
from hoshikage.kv_file import DamagedState, Header
from hoshikage.messages import Language, text
from hoshikage.params import LoadParams

if TYPE_CHECKING:
    from hoshikage.library.selection import SelectedLibrary

logger: Final = logging.getLogger("hoshikage.dispatch")
MAX_OFFERED: Final = 256
"""A load looks at the headers of so many files at most: the newest."""
FOLDER: Final = "kv"
"""Put-away sequences lie in this folder, below the cache folder."""


class KvStore:
    """This holds all that is stored by this server."""

    def __init__(
        self,
        files: StateFiles,
        max_bytes: int,
        max_age_s: float,
        clock: Callable[[], float] = time.time,
        language: Language = "ja",
    ) -> None:
        """`max_age_s` 0 is for good. `language` is that of the log."""
        self._language = language
        self._files = files
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = threading.Lock()
        self._open = True
        self._pending: set[asyncio.Task[None]] = set()
        """These are the store's calls that run in threads now."""

    @property
    def lasts(self) -> bool:
        """Tells whether what is stored outlives this server."""
        return self._files.lasts

    async def shelf(self, choice: SelectedLibrary, params: LoadParams, label: str = "") -> Shelf | None:
        """Returns what is stored for this load. None where its files cannot be told: the load itself says why. `label`:
        the name that people know the model by."""
        await self.settled()
        return await asyncio.to_thread(self._shelf, choice, params, label)

    async def let_go(self) -> None:
        """Drops what would go with this process anyway; ends when all else that was put away will last."""
        await self.settled()
        await asyncio.to_thread(self._let_go)

    async def settled(self) -> None:
        """Ends when everything that was put away is made last."""
        if self._pending:
            await asyncio.wait(self._pending)

    def stop_taking(self) -> None:
        """The server ends: what would end with it is not put away first."""
        if not self.lasts:
            self._open = False

    def in_background(self, does: Callable[..., None], *args: Any) -> None:
        """Calls one of the store's own in a thread. Whoever asks for a shelf, or closes the store, waits for it."""
        task = asyncio.create_task(asyncio.to_thread(does, *args))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    def rows(self) -> list[StoredFile]:
        """Returns all files, the newest first. Blocks."""
        with self._lock:
            return self._newest()

    def clear(self) -> list[StoredFile]:
        """Removes everything, and tells what that was. Blocks."""
        with self._lock:
            gone = self._files.files()
            for file in gone:
                self._files.remove(file.path)
            return gone

    def _shelf(self, choice: SelectedLibrary, params: LoadParams, label: str) -> Shelf | None:
        try:
            key = key_of(choice, params)
        except OSError:
            return None
        with self._lock:
            own = [file.path for file in self._prune() if file.key == key]
        frame = wire.StateStore(key, tuple(own[:MAX_OFFERED]), label)
        return Shelf(self, frame, params.n_parallel)

    def _let_go(self) -> None:
        with self._lock:
            self._files.close()

    # For shelves; all of these block

    def make(self, count: int) -> wire.PutAway | None:
        """Makes empty files for so many sequences; returns None where there is no room."""
        with self._lock:
            if not self._open:
                return None
            try:
                room = min(self._max_bytes, self._files.free_bytes() + sum(file.size for file in self._files.files()))
                return wire.PutAway(tuple(self._files.make() for _ in range(count)), room) if room > 0 else None
            except OSError as error:
                logger.debug("no file for a sequence: %s", error)
                return None

    def take_in(self, key: str, made: Sequence[str], done: wire.PutAwayDone, known: Sequence[str]) -> None:
        """Makes the written ones last, and removes what they go on from, and the others that were made."""
        with self._lock:
            for path in {*made} - {*done.written}:
                self._files.remove(path)
            for path in {*done.unchanged} & {*known}:
                self._files.touch(path)
            for path in [path for path in made if path in done.written]:
                self._keep(path, key)
            self._prune()

    def drop(self, path: str) -> None:
        """Removes a file that is damaged, or another load's than its name says."""
        logger.warning(text(self._language, "dispatch.log_kv_damaged", file=path))
        with self._lock:
            self._files.remove(path)

    def _keep(self, path: str, key: str) -> None:
        header = header_of(path)
        if header is None or header.key != key:
            self._files.remove(path)
            return
        known = [(file.path, header_of(file.path)) for file in self._files.files() if file.key == key]
        try:
            self._files.publish(path, key)
        except OSError as error:
            logger.debug("a sequence is not stored: %s", error)
            self._files.remove(path)
            return
        for older, its in known:
            if its is not None and its.begins(header):
                self._files.remove(older)

    def _newest(self) -> list[StoredFile]:
        """Returns all files, the newest first."""
        return sorted(self._files.files(), key=lambda file: -file.saved_at)

    def _prune(self) -> list[StoredFile]:
        """Removes what is too old or too much, and tells what stays, the newest first."""
        now, total, kept = self._clock(), 0, []
        for file in self._newest():
            is_old = self._max_age_s > 0 and now - file.saved_at > self._max_age_s
            if is_old or total + file.size > self._max_bytes:
                self._files.remove(file.path)
            else:
                total += file.size
                kept.append(file)
        return kept


class Shelf:
    """This holds what is stored for one load, and says where its own sequences go."""

    def __init__(self, store: KvStore, frame: wire.StateStore, count: int) -> None:
        """The load keeps `count` sequences at most."""
        self._store = store
        self._count = count
        self._made: tuple[str, ...] = ()
        self.frame: Final = frame
        """The runner is sent this frame."""

    async def make(self) -> wire.PutAway | None:
        """Returns what the runner is asked for when it is to end; None where nothing can be put away."""
        command = await asyncio.to_thread(self._store.make, self._count)
        self._made = () if command is None else command.paths
        return command

    def take_in(self, done: wire.PutAwayDone) -> None:
        """The runner has done it, and is gone. The rest is done in the background."""
        made, self._made = self._made, ()
        self._store.in_background(self._store.take_in, self.frame.key, made, done, self.frame.paths)

    def lost(self, path: str) -> None:
        """Drops a file that the runner found to be of no use. It can name none but those that it was given."""
        if path in self.frame.paths:
            self._store.in_background(self._store.drop, path)


def header_of(path: str) -> Header | None:
    """Reads what a file says of itself; None where it is damaged, or gone."""
    try:
        return kv_file.read_header(path)
    except (DamagedState, OSError):
        return None


def folder_store(folder: Path, max_bytes: int, max_age_s: float, language: Language = "ja") -> KvStore:
    """Makes the store on the disk, below the cache folder."""
    return KvStore(FolderFiles(folder / FOLDER), max_bytes, max_age_s, language=language)


def own_folder_store(folder: Path, max_bytes: int, max_age_s: float, language: Language) -> KvStore | None:
    """Returns the store of `folder_store`, or None where others may write to its folder: whoever exchanges a file has
    the library read it. Logs that, and a link."""
    place = folder / FOLDER
    try:
        others_write = os.name == "posix" and bool(place.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    except OSError:  # not there yet: it is made for this user alone
        others_write = False
    if others_write:
        logger.warning(text(language, "dispatch.log_kv_open", folder=str(place)))
        return None
    if place.is_symlink():
        logger.warning(text(language, "dispatch.log_kv_link", folder=str(place), target=os.path.realpath(place)))
    return folder_store(folder, max_bytes, max_age_s, language)


def memory_store(max_bytes: int, max_age_s: float, *, unnamed: bool, language: Language = "ja") -> KvStore:
    """Makes the store in memory. `unnamed`: the system has memory that other processes can open without a name."""
    files = MemoryFiles(available_memory) if unnamed else TemporaryFiles()
    return KvStore(files, max_bytes, max_age_s, language=language)
