"""Which model is loaded: unloaded, loading, ready; switching, idling out, crashing. Event loop only.

One model at a time. A load is shared by all who wait for it, and goes on when they leave. The runner ends with its
model, so that all memory goes back to the system.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hoshikage import wire
from hoshikage.dispatch.host import Exit, Host, HostFactory
from hoshikage.dispatch.mailbox import Mailbox
from hoshikage.dispatch.memory import resident_bytes
from hoshikage.errors import HoshikageError, ModelCrashed
from hoshikage.messages import Language, describe, text
from hoshikage.params import GenerationRequest, LibraryInfo, LoadParams, ModelInfo

logger = logging.getLogger("hoshikage.dispatch")
library_logger = logging.getLogger("hoshikage.llama")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a load is of. Two that are equal need no new load."""

    label: str
    params: LoadParams
    file_state: tuple[int, int, int]
    """Device-independent identity of the model file: (inode, size, mtime in ns)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The model's state as /v1/status shows it."""

    state: str
    label: str | None
    model: ModelInfo | None
    library: LibraryInfo | None
    pid: int | None
    resident_bytes: int
    last_returned_bytes: int
    """Resident memory of the last runner that was ended, which its end gave back."""


JobItem = wire.JobEvent | HoshikageError


class Job:
    """One request in the runner: its events in order, ended by Finished or an error."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.items: Mailbox[JobItem] = Mailbox()


class Lifecycle:
    """Starts, switches and ends runners, and brings jobs to the current one."""

    def __init__(
        self,
        prepare: Callable[[Wanted], Path],
        make_host: HostFactory,
        idle_timeout: float,
        language: Language,
    ) -> None:
        """`prepare` gives the library for a load; it may block (it runs in a thread) and raise HoshikageError.
        0 as `idle_timeout` is never."""
        self._prepare = prepare
        self._make_host = make_host
        self._idle_timeout = idle_timeout
        self._language = language
        self._host: Host | None = None
        self._wanted: Wanted | None = None
        self._loading: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[wire.Event] | None = None
        self._watchers: set[Mailbox[wire.Loading | None]] = set()
        self._jobs: dict[int, Job] = {}
        self._last_job = 0
        self._model: ModelInfo | None = None
        self._library: LibraryInfo | None = None
        self._returned = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        """Held while one runner makes way for the next, so that two never hold memory at once."""
        self._uses = 0
        """Counts calls for the runner: an idle end that finds it moved on comes too late."""

    def snapshot(self) -> Snapshot:
        state = "ready" if self._model is not None else "loading" if self._loading is not None else "unloaded"
        pid = self._host.pid if self._host is not None else None
        return Snapshot(
            state=state,
            label=self._wanted.label if self._wanted is not None else None,
            model=self._model,
            library=self._library,
            pid=pid,
            resident_bytes=resident_bytes(pid) if pid else 0,
            last_returned_bytes=self._returned,
        )

    async def ready(self, wanted: Wanted) -> AsyncGenerator[wire.Loading, None]:
        """Ends when `wanted` is loaded; yields the progress of its load. Raises what the load raises."""
        self._hold()
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
        loading.result()

    def submit(self, request: GenerationRequest) -> Job:
        """Sends a job to the runner that `ready` has made ready."""
        self._hold()
        self._last_job += 1
        job = Job(self._last_job)
        if self._host is None:  # it crashed between `ready` and now
            job.items.put(ModelCrashed("dispatch.crashed", reason="exit"))
            return job
        self._jobs[job.number] = job
        self._host.send(wire.Generate(job.number, request))
        return job

    def forget(self, job: Job) -> None:
        """Its reader is gone: cancels the job if it has not ended."""
        if self._jobs.pop(job.number, None) is not None and self._host is not None:
            self._host.send(wire.Cancel(job.number))

    def rest(self) -> None:
        """Nothing runs and nothing waits: the idle clock starts."""
        self._hold()
        if self._host is not None and self._idle_timeout > 0:
            self._idle = asyncio.get_running_loop().call_later(self._idle_timeout, self._idle_out)

    async def stop(self) -> None:
        """Ends the runner for good."""
        self._hold()
        async with self._changing:
            await self._end("why_stop")

    def _hold(self) -> None:
        self._uses += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _idle_out(self) -> None:
        self._idle = None
        self._ending = asyncio.create_task(self._end_idle(self._uses))

    async def _end_idle(self, uses: int) -> None:
        async with self._changing:
            if uses == self._uses:
                await self._end("why_idle")

    # Loading

    async def _load(self, wanted: Wanted) -> None:
        logger.info(self._say("log_loading", label=wanted.label, file=wanted.params.model_path))
        library = await asyncio.to_thread(self._prepare, wanted)
        host = self._host = self._make_host(library, self._on_event, self._on_exit)
        try:
            ready = await self._answer_to(host.start)
            assert isinstance(ready, wire.Ready)
            loaded = await self._answer_to(partial(host.send, wire.Load(wanted.params)))
            assert isinstance(loaded, wire.Loaded)
        except BaseException:
            if self._host is host:
                self._host = None
            await host.stop()
            raise
        self._library, self._model = ready.library, loaded.model
        logger.info(
            self._say(
                "log_loaded",
                label=wanted.label,
                ms=loaded.model.load_ms,
                n_ctx=loaded.model.n_ctx,
                version=ready.library.version,
            )
        )

    async def _answer_to(self, ask: Callable[[], Awaitable[None] | None]) -> wire.Event:
        """The runner's answer to `ask`. Raises what the runner failed with, or ModelCrashed."""
        answer: asyncio.Future[wire.Event] = asyncio.get_running_loop().create_future()
        self._answer = answer
        try:
            if (asked := ask()) is not None:
                await asked
            return await answer
        finally:
            self._answer = None
            answer.cancel()

    def _load_ended(self, task: asyncio.Task[None]) -> None:
        for inbox in self._watchers:
            inbox.put(None)
        if task.cancelled():
            return
        error = task.exception()  # also marks it as seen when nobody waits any more
        if error is None or task is not self._loading:
            return
        reason = describe(self._language, error) if isinstance(error, HoshikageError) else type(error).__name__
        label = self._wanted.label if self._wanted is not None else ""
        logger.error(self._say("log_load_failed", label=label, reason=reason))
        self._loading = None

    async def _end(self, why: str) -> None:
        """Ends runner and load; `why` is the key of the reason's text."""
        host, label = self._host, self._wanted.label if self._wanted is not None else ""
        loading, loaded = self._loading, self._model is not None
        self._host = self._wanted = self._loading = self._model = None
        if loading is not None and not loading.done():
            loading.cancel()
            with contextlib.suppress(asyncio.CancelledError, HoshikageError):
                await loading
        if host is None:
            return
        returned = resident_bytes(host.pid)
        await host.stop()
        self._fail_jobs(ModelCrashed("dispatch.crashed", reason="stopped"))
        if loaded:
            self._returned = returned
            logger.info(self._say("log_unloaded", label=label, why=self._say(why), mib=returned / 2**20))

    # From the runner

    def _on_event(self, event: wire.Event) -> None:
        if isinstance(event, wire.Log):
            library_logger.log(event.level, event.line)
        elif isinstance(event, wire.Loading):
            for inbox in self._watchers:
                inbox.put(event)
        elif isinstance(event, (wire.Ready, wire.Loaded)):
            self._settle(event)
        elif isinstance(event, wire.Failed) and event.job is None:
            self._settle(event.error())
        else:
            self._to_job(event)

    def _settle(self, answer: wire.Event | HoshikageError) -> None:
        if self._answer is None or self._answer.done():
            return
        if isinstance(answer, HoshikageError):
            self._answer.set_exception(answer)
        else:
            self._answer.set_result(answer)

    def _to_job(self, event: wire.JobEvent) -> None:
        ended = isinstance(event, (wire.Finished, wire.Failed))
        assert event.job is not None
        job = self._jobs.pop(event.job, None) if ended else self._jobs.get(event.job)
        if job is not None:
            job.items.put(event.error() if isinstance(event, wire.Failed) else event)

    def _on_exit(self, gone: Exit) -> None:
        label = self._wanted.label if self._wanted is not None else ""
        logger.error(self._say("log_crashed", label=label, reason=gone.reason))
        for line in gone.log:
            library_logger.error(line)
        self._host = self._model = None
        error = ModelCrashed("dispatch.crashed", reason=gone.reason)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        else:
            self._loading = None
        self._fail_jobs(error)

    def _fail_jobs(self, error: ModelCrashed) -> None:
        jobs, self._jobs = self._jobs, {}
        for job in jobs.values():
            job.items.put(error)

    def _say(self, name: str, **details: object) -> str:
        return text(self._language, f"dispatch.{name}", **details)
