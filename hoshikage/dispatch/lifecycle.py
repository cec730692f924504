"""Decides which model is loaded on a lane: unloaded, loading, ready; switching, idling out, crashing. Event loop only.

One model at a time on each. A load is shared by all who wait for it, and goes on when they leave. The runner ends with
its model, so that all memory goes back to the system; the copy on the RAM disk outlives it for a while.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hoshikage import heap, wire
from hoshikage.dispatch.copier import Copier
from hoshikage.dispatch.crashes import NOBODY, Crashes, Origin
from hoshikage.dispatch.host import Exit, HostFactory
from hoshikage.dispatch.libraries import Libraries
from hoshikage.dispatch.loading import Loader, WantedLoad
from hoshikage.dispatch.mailbox import Mailbox
from hoshikage.dispatch.memory import Footprint, footprint, resident_bytes
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.dispatch.runner import Job, Runner
from hoshikage.dispatch.snapshot import Snapshot, left
from hoshikage.dispatch.standby import StandbyRunner
from hoshikage.errors import HoshikageError, LoadNotTried, ModelCrashed, ShuttingDown
from hoshikage.frozen import Frozen
from hoshikage.messages import Language, describe, text
from hoshikage.params import Work

if TYPE_CHECKING:
    from hoshikage.dispatch.kv_store import KvStore
    from hoshikage.library.selection import SelectedLibrary

logger = logging.getLogger("hoshikage.dispatch")

AHEAD_AFTER_S: Final = 1.0
"""Nobody may have asked for anything for this many seconds before a runner is started ahead: it must not slow an
answer."""
PROGRESS_LINE_S: Final = 2.0
"""Two lines of the log about the progress of a load are at least so many seconds apart."""

Room = Callable[[WantedLoad], Awaitable[None]]
"""Waits until there is memory for a load. Raises HoshikageError where there will be none."""


class Policy(Frozen, frozen=True):
    """The lifecycle goes by these times, in seconds; 0 switches one off."""

    idle_timeout: float
    great_timeout: float
    watchdog: float
    language: Language
    ahead: bool = False
    """`ahead` tells whether a runner is started ahead."""


class Lifecycle:
    """Starts, switches and ends runners, and brings jobs to the current one."""

    def __init__(
        self,
        libraries: Libraries,
        make_host: HostFactory,
        ramdisk: RamDisk,
        crashes: Crashes,
        policy: Policy,
        standby: StandbyRunner | None = None,
        copier: Copier | None = None,
        store: KvStore | None = None,
    ) -> None:
        """`libraries` is asked in a thread: it may block. The last three, if given, are other lanes' too."""
        self.room: Room | None = None
        """`room` is asked before each load; whoever knows of other lanes sets it."""
        self.pinned = False
        """`pinned` tells whether the loaded model stays until somebody asks for its end; the lane's owner sets it
        before `rest`."""
        self.on_end: Callable[[], None] = lambda: None
        """`on_end` is called when a model has been unloaded."""
        self._libraries = libraries
        self._standby = standby or StandbyRunner(libraries, make_host, policy.watchdog, wanted=policy.ahead)
        self._ramdisk = ramdisk
        self._copier = copier or Copier(ramdisk, policy.language)
        copies = self._copier if ramdisk.is_on else None
        self._loader = Loader(libraries, make_host, self._standby, copies, policy.watchdog, policy.language, store)
        self._crashes = crashes
        self._policy = policy
        self._runner: Runner | None = None
        self._leaving: tuple[Runner, str] | None = None
        """This runner is being ended: its memory is not back yet; the text is its model's label."""
        self._wanted: WantedLoad | None = None
        self._choice: SelectedLibrary | None = None
        self._loading: asyncio.Task[Runner] | None = None
        self._watchers: set[Mailbox[wire.Loading | None]] = set()
        self._last_file: Path | None = None
        """`_last_file` is the file of the model that was loaded last."""
        self._returned: Footprint | None = None
        self._last_line = self._progress = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self._great: asyncio.TimerHandle | None = None
        self._ahead: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._tidying: asyncio.Future[None] | None = None
        self._changing = asyncio.Lock()
        """The lock is held while one runner makes way for the next, so that two never hold memory at once."""
        self._loads = self._crashed = 0
        self._kept_s: float | None = None
        """`_kept_s` is the time that `keep` was told for the loaded model."""
        self._uses = 0
        """Counts calls for the runner: an idle end that finds it moved on comes too late."""

    def snapshot(self) -> Snapshot:
        runner, label = self._runner, self._wanted.label if self._wanted is not None else None
        model = runner.model if runner is not None else None
        state = ModelState.of(ready=self.is_ready, loading=self._loading is not None)
        if self._leaving is not None:
            runner, label = self._leaving
            model, state = None, ModelState.UNLOADING
        return Snapshot(
            state=state,
            label=label,
            model=model,
            library=runner.library if runner is not None else None,
            choice=self.choice,
            pid=runner.pid if runner is not None else None,
            ahead=self._standby.pid,
            resident_bytes=resident_bytes(runner.pid) if runner is not None else 0,
            returned=self._returned,
            in_memory=self._copier.held,
            copy=self._copier.status(),
            loads=self._loads,
            crashes=self._crashed,
            progress=self._progress if state is ModelState.LOADING else None,
            ends_in=left(self._idle),
            freed_in=left(self._great) if self._copier.held is not None else None,
        )

    @property
    def is_ready(self) -> bool:
        return self._runner is not None and self._runner.model is not None

    @property
    def choice(self) -> SelectedLibrary | None:
        """Gives the library of the current runner; None where there is none."""
        return self._choice if self._runner is not None else None

    async def start(self) -> None:
        """Clears what a server that was killed left on the RAM disk."""
        await asyncio.to_thread(self._ramdisk.sweep)
        self._arm_great()
        self._arm_ahead()

    async def ready(self, wanted: WantedLoad, caller: str = "") -> AsyncGenerator[wire.Loading, None]:
        """Waits until `wanted` is loaded; yields the progress of its load. Raises what the load raises."""
        self._hold()
        if self._crashes.quarantined(wanted.label, caller):
            choice = await asyncio.to_thread(self._libraries.current, wanted.params)
            self._crashes.check(wanted.label, (wanted.file_state, choice.fingerprint), caller)
        async with self._changing:
            if self._loading is None or self._wanted != wanted:
                await self._end("why_switch")
                self._wanted = wanted
                self._loading = asyncio.create_task(self._load(wanted))
                self._loading.add_done_callback(self._load_ended)
            loading = self._loading
        if not loading.done():
            inbox: Mailbox[wire.Loading | None] = Mailbox()
            self._watchers.add(inbox)
            try:
                while (progress := await inbox.get()) is not None:
                    yield progress
            finally:
                self._watchers.discard(inbox)
        if loading.cancelled():  # somebody asked for the model's end while it was loading
            raise LoadNotTried("dispatch.load_called_off", label=wanted.label, retry_after=1)
        loading.result()

    def submit(self, request: Work, on_end: Callable[[], None], origin: Origin = NOBODY) -> Job:
        """Sends a job to the runner that `ready` has made ready. `on_end` is called when the runner has ended it."""
        self._hold()
        if self._runner is None:  # it crashed between `ready` and now
            job = Job(0, on_end, origin)
            job.items.put(ModelCrashed("dispatch.crashed", reason="exit"))
            return job
        return self._runner.submit(request, on_end, origin)

    def forget(self, job: Job) -> None:
        """Its reader is gone: cancels the job if it has not ended."""
        if self._runner is not None:
            self._runner.forget(job)

    def rest(self) -> None:
        """Starts the idle clocks, where nothing runs and nothing waits."""
        self._hold()
        if self._runner is not None and (idle := self._idle_s()) is not None:
            self._idle = self._later(idle, self._idle_out)
        self._arm_great()
        self._arm_ahead()

    def keep(self, seconds: float) -> None:
        """The loaded model stays so long after its last use, whatever IDLE_TIMEOUT says; inf is for good."""
        self._kept_s = seconds

    def _idle_s(self) -> float | None:
        """Returns how many seconds the model stays unused; None for good."""
        seconds = math.inf if self.pinned else self._kept_s
        if seconds is None:
            seconds = self._policy.idle_timeout or math.inf
        return None if seconds == math.inf else seconds

    async def unload(self) -> None:
        """Ends the runner because somebody asks for it; a load in progress is called off."""
        self._hold()
        async with self._changing:
            await self._end("why_asked")
        self._tell_end()
        self._arm_great()

    async def make_way(self, is_idle: Callable[[], bool]) -> None:
        """Ends the runner for another lane's model, unless it is in use by the time it could be ended."""
        async with self._changing:
            if is_idle():
                self._hold()
                await self._end("why_room")
                self._arm_great()
        self._tell_end()

    async def stop(self) -> None:
        """Ends the runner for good and takes the model out of memory."""
        self._hold()
        async with self._changing:
            await self._end("why_stop")
        await self.put_away()

    async def put_away(self) -> None:
        """Ends the runner ahead, and takes the copy of the model out of memory."""
        await self._standby.end()
        await self._copier.release(self._last_file)

    # Idle

    def _hold(self) -> None:
        self._uses += 1
        self._copier.hold()
        for timer in (self._idle, self._great, self._ahead):
            if timer is not None:
                timer.cancel()
        self._idle = self._great = self._ahead = None

    def _idle_out(self) -> None:
        self._idle = None
        self._ending = asyncio.create_task(self._end_idle(self._uses))

    async def _end_idle(self, uses: int) -> None:
        async with self._changing:
            if uses == self._uses:
                await self._end("why_idle")
        self._tell_end()
        if self._great is None and self._policy.great_timeout > 0:  # it was over while the model was still loaded
            await self._release_idle(uses)

    def _tell_end(self) -> None:
        if self._runner is None and self._loading is None:
            self.on_end()
            self._tidying = asyncio.get_running_loop().run_in_executor(None, heap.give_back)

    def _arm_great(self) -> None:
        self._copier.rest(self._last_file if self._idle_s() is None else None)
        if self._policy.great_timeout > 0:
            self._great = self._later(self._policy.great_timeout, self._great_out)

    def _arm_ahead(self) -> None:
        if self._policy.ahead:
            self._ahead = self._later(AHEAD_AFTER_S, self._standby.prepare)

    def _later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Calls back after `delay` seconds, in a context of its own: what that logs is not the last request's doing."""
        return asyncio.get_running_loop().call_later(delay, callback, context=Context())

    def _great_out(self) -> None:
        self._great = None
        self._ending = asyncio.create_task(self._release_idle(self._uses))

    async def _release_idle(self, uses: int) -> None:
        async with self._changing:  # a load that begins now waits
            if uses == self._uses and self._runner is None:
                await self.put_away()

    # Loading

    async def _load(self, wanted: WantedLoad) -> Runner:
        if pause := self._crashes.pause(wanted.label):
            await asyncio.sleep(pause)
        if self.room is not None:
            await self.room(wanted)
        self._last_file = Path(wanted.params.model_path)
        self._last_line = asyncio.get_running_loop().time()
        self._progress = 0.0
        logger.info(self._say("log_loading", label=wanted.label, file=wanted.params.model_path))
        runner = await self._loader.load(wanted, self)
        model, library = runner.model, runner.library
        assert model is not None
        assert library is not None
        self._loads += 1
        details = {"label": wanted.label, "ms": model.load_ms, "n_ctx": model.n_ctx, "version": library.version}
        logger.info(self._say("log_loaded", **details))
        for warning in model.warnings:
            logger.warning(text(self._policy.language, warning))
        if model.is_busy:
            logger.info(self._say("log_busy", threads=model.n_threads))
        if model.purposes and "text" not in model.purposes:
            purposes = ", ".join(model.purposes)
            logger.info(self._say("log_no_text", label=wanted.label, purposes=purposes))
        return runner

    # As the loader's `Owner`

    def adopt(self, runner: Runner, choice: SelectedLibrary) -> None:
        self._runner, self._choice = runner, choice

    def drop(self, runner: Runner) -> None:
        if self._runner is runner:
            self._runner = None

    def show(self, progress: wire.Loading) -> None:
        self._progress = progress.progress
        for inbox in self._watchers:
            inbox.put(progress)
        now = asyncio.get_running_loop().time()
        if now - self._last_line >= PROGRESS_LINE_S:
            self._last_line = now
            logger.info(self._say("log_progress", label=self._label, percent=100 * progress.progress))

    def _load_ended(self, task: asyncio.Task[Runner]) -> None:
        for inbox in self._watchers:
            inbox.put(None)
        if task.cancelled():
            return
        error = task.exception()  # also marks it as seen when nobody waits any more
        if error is None or task is not self._loading:
            return
        reason = describe(self._policy.language, error) if isinstance(error, HoshikageError) else type(error).__name__
        logger.error(self._say("log_load_failed", label=self._label, reason=reason))
        self._loading = None

    async def _end(self, why: str) -> None:
        """Ends runner and load; `why` is the key of the reason's text."""
        runner, label, loading = self._runner, self._label, self._loading
        self._runner = self._wanted = self._loading = None
        self._kept_s = None
        self.pinned = False
        if loading is not None and not loading.done():
            loading.cancel()
            with suppress(asyncio.CancelledError, HoshikageError):
                await loading
        if runner is None:
            return
        self._leaving = runner, label
        try:
            held = await asyncio.to_thread(footprint, runner.pid)
            begun = time.perf_counter()
            await runner.stop(ShuttingDown("dispatch.unloaded", label=label, retry_after=1))
        finally:
            self._leaving = None
        if runner.model is not None:
            self._returned = held
            logger.info(
                self._say(
                    "log_unloaded",
                    label=label,
                    why=self._say(why),
                    mib=held.resident_bytes / 2**20,
                    vram_mib=held.vram_bytes / 2**20,
                    ms=(time.perf_counter() - begun) * 1e3,
                )
            )

    def gone(self, gone: Exit) -> None:
        """Takes note that the runner ended by itself."""
        self._crashed += 1
        logger.error(self._say("log_crashed", label=self._label, reason=gone.reason))
        if self._wanted is not None and self._choice is not None:
            state = self._wanted.file_state, self._choice.fingerprint
            self._crashes.ended(self._label, state, gone.suspects, at_once=gone.overtime)
        if self._runner is not None and self._runner.model is not None:
            self._loading = None  # a load that is still going on fails by itself
        self._runner = None

    @property
    def _label(self) -> str:
        return self._wanted.label if self._wanted is not None else ""

    def _say(self, name: str, **details: object) -> str:
        return text(self._policy.language, f"dispatch.{name}", **details)
