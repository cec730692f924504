"""Starts a runner ahead: the library loaded, no model, so that the next load need not wait for that. Event loop only.

It is started while nobody is waiting for an answer, with the library that a load would take now, and only where memory
allows. It takes nothing of a GPU: a library that is loaded makes no context there until it is asked for memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from hoshikage.dispatch.headroom import available_memory
from hoshikage.dispatch.host import Exit, HostFactory
from hoshikage.dispatch.libraries import Libraries
from hoshikage.dispatch.runner import Runner
from hoshikage.errors import HoshikageError, ShuttingDown
from hoshikage.frozen import Frozen

if TYPE_CHECKING:
    from hoshikage.dispatch.handed import HandedProcess
    from hoshikage.library.selection import SelectedLibrary

logger = logging.getLogger("hoshikage.dispatch")

UNWANTED_S: Final = 10.0
"""A runner that was started for a request, and not ahead, waits for its load so long."""
MIN_FREE: Final = 2**30
"""This many bytes of memory must be available before a runner is started."""


class RunnerCommand(Frozen, frozen=True):
    """This is how a runner is started that has a library loaded and no model."""

    command: list[str]
    environ: dict[str, str]
    files: tuple[str, ...]
    """`files` are those of the library, and their folders: where one has changed, it is another library."""


class StandbyRunner:
    """A StandbyRunner has at most one runner without a model."""

    def __init__(
        self,
        libraries: Libraries,
        make_host: HostFactory,
        watchdog: float,
        *,
        wanted: bool,
        memory: Callable[[], int] = available_memory,
    ) -> None:
        """`libraries` is asked in a thread. Not `wanted`: there is never one."""
        self.may_start: Callable[[], bool] = lambda: True
        """`may_start` tells whether nobody waits for an answer; whoever knows of all lanes sets it."""
        self._libraries = libraries
        self._make_host = make_host
        self._watchdog = watchdog
        self._wanted = wanted
        self._memory = memory
        self._runner: Runner | None = None
        self._choice: SelectedLibrary | None = None
        self._starting: asyncio.Task[None] | None = None
        self._last: SelectedLibrary | bytes | None = None
        """`_last` is what the last load took; packed while nothing needs it."""
        self._taken = 0
        """Counts loads and ends: a start that finds it moved on comes too late."""

    @property
    def pid(self) -> int | None:
        return self._runner.pid if self._runner is not None else None

    def kept(self) -> bytes | None:
        """Returns what the next server in this process is to know of it."""
        last = self._last
        with suppress(UnicodeEncodeError):  # a path that is no text
            return last if last is None or isinstance(last, bytes) else msgspec.msgpack.encode(last, enc_hook=str)
        return None

    def restore(self, kept: bytes | None, process: HandedProcess | None) -> None:
        """Goes on from what `kept` gave. The process, if any, was started by `to_start` of that server."""
        self._last = kept
        if process is not None and kept is not None:
            self._starting = asyncio.create_task(self._take_over(_unpacked(kept), process))
        elif process is not None:
            process.end()

    def to_start(self) -> RunnerCommand | None:
        """Returns command line and environment of a runner as the last load would have it, and the files which that
        library is of; None where there was no load. Blocking."""
        from hoshikage.dispatch.process import ProcessHost
        from hoshikage.library import fingerprint

        if self._last is None:
            return None
        choice = self._last = _unpacked(self._last) if isinstance(self._last, bytes) else self._last
        host = self._make_host(choice.file, lambda _event: None, lambda _exit: None)
        if not isinstance(host, ProcessHost):
            return None
        with suppress(OSError):
            files = [*fingerprint.folders(choice.file), *fingerprint.members(choice.file)]
            return RunnerCommand(*host.command(), tuple(map(str, files)))
        return None

    def prepare(self) -> None:
        """Starts one in the background where there is none. A failure is only told: the load itself will say why."""
        starts = self._starting is not None and not self._starting.done()
        if self._wanted and self._runner is None and not starts and self.may_start():
            self._starting = asyncio.create_task(self._start())

    async def take(self, choice: SelectedLibrary) -> Runner | None:
        """Gives the runner away, where it has this library loaded; it is the caller's now. One with another library is
        ended."""
        self._taken += 1
        self._last = choice
        if self._starting is not None:
            await asyncio.wait((self._starting,))
        runner, prepared = self._runner, self._choice
        self._runner = self._choice = None
        if runner is None:
            return None
        if prepared == choice:
            return runner
        await runner.stop(ShuttingDown("dispatch.shutting_down"))
        return None

    async def end(self) -> None:
        """Ends the runner, which gives its memory back."""
        self._taken += 1
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait((self._starting,))
        await self._drop()

    async def _start(self) -> None:
        if 0 < self._memory() < MIN_FREE:
            return
        taken = self._taken
        try:
            choice = await asyncio.to_thread(self._libraries.likely)
        except HoshikageError as error:
            logger.debug("no runner ahead: %s", error.key)
            return
        if choice is None or taken != self._taken:
            return
        self._last = choice
        await self._begin(choice, self._make_host)

    async def _take_over(self, choice: SelectedLibrary, process: HandedProcess) -> None:
        """Goes on with a runner that was started while this program was. It ends where no load comes."""
        from hoshikage.dispatch.handed import HandedHost

        await self._begin(choice, lambda _library, on_event, on_exit: HandedHost(process, on_event, on_exit))
        if not self._wanted:
            asyncio.get_running_loop().call_later(UNWANTED_S, self._end_unwanted, self._runner)

    def _end_unwanted(self, runner: Runner | None) -> None:
        if runner is not None and self._runner is runner:
            self._starting = asyncio.create_task(self._drop())

    async def _drop(self) -> None:
        runner, self._runner, self._choice = self._runner, None, None
        if runner is not None:
            await runner.stop(ShuttingDown("dispatch.shutting_down"))

    async def _begin(self, choice: SelectedLibrary, make_host: HostFactory) -> None:
        runner = Runner(make_host, choice.file, self._watchdog, lambda _progress: None, self._gone)
        try:
            await runner.start()
        except BaseException as error:
            await runner.stop(ShuttingDown("dispatch.shutting_down"))
            if not isinstance(error, (HoshikageError, OSError)):
                raise
            logger.debug("no runner ahead: %s", error)
            return
        logger.debug("a runner waits with library %s (process %d)", choice.release, runner.pid)
        self._runner, self._choice = runner, choice

    def _gone(self, gone: Exit) -> None:
        """Forgets the runner, which ended before it had a model: no model's fault. The next load starts its own."""
        logger.debug("the runner that was started ahead is gone: %s", gone.reason)
        self._runner = self._choice = None


def _unpacked(kept: bytes) -> SelectedLibrary:
    from hoshikage.library.selection import SelectedLibrary  # only for a load

    return msgspec.msgpack.decode(kept, type=SelectedLibrary, dec_hook=lambda _kind, value: Path(value))
