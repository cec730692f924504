"""Leads one runner from its start to its end: asks it, brings it jobs, hands out their events. Event loop only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hoshikage import wire
from hoshikage.dispatch.crashes import NOBODY, Origin
from hoshikage.dispatch.host import Exit, HostFactory
from hoshikage.dispatch.mailbox import Mailbox
from hoshikage.errors import HoshikageError, ModelCrashed
from hoshikage.infos import LibraryInfo, ModelInfo
from hoshikage.params import LoadParams, Work

if TYPE_CHECKING:
    from hoshikage.dispatch.kv_store import Shelf

library_logger = logging.getLogger("hoshikage.llama")

OVERTIME: Final = "SIGALRM"
"""A runner whose preparation of a job does not come to an end is ended by this signal."""

PUT_AWAY_S: Final = 10.0
"""Most time that a runner has to put its sequences away: somebody may wait for the next model, or for the end."""

JobItem = wire.JobEvent | HoshikageError

TICK_S: Final = 5.0
"""The watchdog looks so often, so that it sees when its own process did not run."""
LATE_S: Final = 2.0
"""A look so late means that this process was stopped, or its machine slept: the runner was, too, and begins anew."""


class Job:
    """This is one request in the runner: its events in order, ended by Finished or an error."""

    def __init__(self, number: int, on_end: Callable[[], None], origin: Origin) -> None:
        self.number = number
        self.items: Mailbox[JobItem] = Mailbox()
        self.on_end = on_end
        self.origin = origin
        self.begun = False
        """`begun` tells whether the runner has told anything of it."""


class Runner:
    """A runner is a host with a model. `gone` is told once when it ends by itself, after its jobs got ModelCrashed."""

    def __init__(
        self,
        make_host: HostFactory,
        library: Path,
        watchdog: float,
        progress: Callable[[float], None],
        gone: Callable[[Exit], None],
    ) -> None:
        """A busy runner that says nothing for `watchdog` seconds is killed; with 0 none is."""
        self.library: LibraryInfo | None = None
        self.model: ModelInfo | None = None
        self.tried_layers: int | None = None
        """A first decode is just tried with so many layers on the GPU."""
        self._shelf: Shelf | None = None
        self._host = make_host(library, self._on_event, self._on_exit)
        self._watchdog = watchdog
        self._progress = progress
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[wire.Event] | None = None
        self._jobs: dict[int, Job] = {}
        self._given_up: dict[int, Job] = {}
        """These jobs have no reader, and the runner has not ended them yet."""
        self._overtime = False
        self._last_job = 0
        self._exit: ModelCrashed | None = None
        self._heard = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._due = 0.0
        """The watchdog looks next at this time."""

    @property
    def pid(self) -> int:
        return self._host.pid

    def adopt(self, progress: Callable[[float], None], gone: Callable[[Exit], None]) -> None:
        """Gives a runner that was started ahead its owner: these callbacks take the place of those that `__init__`
        got."""
        self._progress, self._gone = progress, gone

    async def start(self) -> None:
        """Loads the library. Raises what the runner refuses it with, ModelCrashed, OSError."""
        answer = self._ask()
        await self._host.start()
        ready = await answer
        assert isinstance(ready, wire.Ready)
        self.library = ready.library

    async def load(self, params: LoadParams, shelf: Shelf | None = None) -> None:
        """Loads the model. Raises what the runner refuses it with, or ModelCrashed. `shelf`: what is stored for it."""
        if self._exit is not None:
            raise self._exit
        answer = self._ask()
        self._shelf = shelf
        self._host.send(wire.Load(params, None if shelf is None else shelf.frame))
        loaded = await answer
        assert isinstance(loaded, wire.Loaded)
        self.model = loaded.model

    def submit(self, request: Work, on_end: Callable[[], None], origin: Origin = NOBODY) -> Job:
        """Sends a job. `on_end` is called when the runner has ended it, however far its reader is."""
        self._last_job += 1
        job = Job(self._last_job, on_end, origin)
        if self._exit is not None:
            job.items.put(self._exit)
            return job
        self._jobs[job.number] = job
        self._host.send(wire.command_for(job.number, request))
        self._busy()
        return job

    def forget(self, job: Job) -> None:
        """Its reader is gone: cancels the job if it has not ended."""
        if self._jobs.pop(job.number, None) is not None:
            self._given_up[job.number] = job
            self._host.send(wire.Cancel(job.number))

    async def stop(self, error: HoshikageError) -> None:
        """Ends the host and waits until it is gone; what still runs fails with `error`. What it keeps of sequences is
        put away first."""
        done = None if self._shelf is None or self.model is None else await self._put_away(self._shelf)
        await self._host.stop()
        self._fail(error)
        if self._shelf is not None and done is not None:
            self._shelf.take_in(done)

    async def _put_away(self, shelf: Shelf) -> wire.PutAwayDone | None:
        """Has the runner put its sequences away; returns None where nothing was asked for. A runner that is too slow,
        or ends, has put nothing away."""
        command = await shelf.make()
        if command is None:
            return None
        if self._exit is not None:
            return wire.PutAwayDone((), ())
        answer = self._ask()
        self._host.send(command)
        try:
            done = await asyncio.wait_for(answer, PUT_AWAY_S)
        except (HoshikageError, asyncio.TimeoutError):
            return wire.PutAwayDone((), ())
        assert isinstance(done, wire.PutAwayDone)
        return done

    def _ask(self) -> asyncio.Future[wire.Event]:
        self._answer = self._loop.create_future()
        self._busy()
        return self._answer

    # From the host

    def _on_event(self, event: wire.Event) -> None:
        self._heard = self._loop.time()
        if isinstance(event, wire.Log):
            library_logger.log(event.level, event.line)
        elif isinstance(event, wire.Loading):
            self.tried_layers = event.layers
            self._progress(event.progress)
        elif isinstance(event, (wire.Ready, wire.Loaded, wire.PutAwayDone)):
            self._settle(event)
        elif isinstance(event, wire.StateLost):
            if self._shelf is not None:
                self._shelf.lost(event.path)
        elif isinstance(event, wire.Failed) and event.job is None:
            self._settle(event.error())
        else:
            self._to_job(event)

    def _settle(self, answer: wire.Event | HoshikageError) -> None:
        future, self._answer = self._answer, None
        if future is None or future.done():
            return
        if isinstance(answer, HoshikageError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _to_job(self, event: wire.JobEvent) -> None:
        assert event.job is not None
        if not isinstance(event, (wire.Finished, wire.Failed)):
            job = self._jobs.get(event.job)
            if job is not None:
                job.begun = True
                job.items.put(event)
            return
        self._given_up.pop(event.job, None)
        job = self._jobs.pop(event.job, None)
        if job is not None:
            job.items.put(event.error() if isinstance(event, wire.Failed) else event)
            job.on_end()

    def _on_exit(self, gone: Exit) -> None:
        for line in gone.log:
            library_logger.error(line)
        key = "dispatch.crashed" if self.model is not None else "dispatch.crashed_loading"
        self._exit = ModelCrashed(key, reason=gone.reason)
        preparing = gone.reason == OVERTIME
        suspects = self._suspects(preparing)
        origins = tuple(job.origin for job in suspects)
        self._gone(replace(gone, suspects=origins, overtime=self._overtime or preparing))
        self._settle(self._exit)
        for job in self._jobs.values():
            error = ModelCrashed(key, reason=gone.reason)
            error.suspect = job in suspects
            job.items.put(error)
        self._jobs.clear()
        self._fail(self._exit)

    def _suspects(self, preparing: bool) -> list[Job]:
        """The jobs that may have ended it. `preparing`: the one that was being prepared, which comes before others."""
        jobs = sorted((*self._given_up.values(), *self._jobs.values()), key=lambda job: job.number)
        return [job for job in jobs if not job.begun][:1] if preparing else jobs

    def _fail(self, error: HoshikageError) -> None:
        self._settle(error)
        jobs, self._jobs = self._jobs, {}
        for job in jobs.values():
            job.items.put(error)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    # The watchdog

    def _busy(self) -> None:
        self._heard = self._loop.time()
        if self._watch is None and self._watchdog > 0:
            self._wait(self._watchdog)

    def _wait(self, left: float) -> None:
        wait = min(left, TICK_S)
        self._due = self._loop.time() + wait
        self._watch = self._loop.call_later(wait, self._look)

    def _look(self) -> None:
        self._watch = None
        if not self._jobs and self._answer is None:
            return
        now = self._loop.time()
        if now - self._due >= LATE_S:
            self._heard = now
        silent = now - self._heard
        if silent >= self._watchdog:
            self._overtime = True
            self._host.kill(f"no progress for {silent:.0f} s")
        else:
            self._wait(self._watchdog - silent)
