"""The async face of the engine: requests in, notes and events out. Event loop only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hoshikage import gguf, wire
from hoshikage.dispatch.host import Exit, Host
from hoshikage.dispatch.lifecycle import Lifecycle, Wanted
from hoshikage.dispatch.process import ProcessHost
from hoshikage.dispatch.queue import Queue
from hoshikage.errors import (
    GgufInvalid,
    HoshikageError,
    ModelCrashed,
    ModelLoadFailed,
    ShuttingDown,
)
from hoshikage.library import demo, locate, verdict
from hoshikage.params import GenerationRequest, LoadParams
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings, cache_dir

SLOTS = 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request waits; `place` 1 is next."""

    place: int


Note = Waiting | wire.Loading | wire.Started | wire.Prefill | wire.Token | wire.Finished


class Dispatcher:
    """Made once by the server (`create`), closed with `stop`."""

    def __init__(self, settings: Settings, lifecycle: Lifecycle) -> None:
        self._settings = settings
        self._lifecycle = lifecycle
        self._queue = Queue(SLOTS, settings.queue_size, settings.queue_timeout)
        self._stopping = False
        self._last_finished: wire.Finished | None = None

    async def stop(self) -> None:
        """Takes no more requests and ends the runner."""
        self._stopping = True
        await self._lifecycle.stop()

    async def generate(self, spec: ModelSpec, request: GenerationRequest) -> AsyncGenerator[Note, None]:
        """Yields notes while the request waits and the model loads, then one Started, the Prefill and Token events,
        and exactly one Finished. Raises HoshikageError instead. Closing the generator gives up the place or cancels
        the job at once.

        A runner that crashes before any text was sent is replaced and the request run once more.
        """
        if self._stopping:
            raise ShuttingDown("dispatch.shutting_down", retry_after=5)
        ticket = self._queue.enter()
        try:
            async with aclosing(ticket.wait()) as places:
                async for place in places:
                    yield Waiting(place)
            async with aclosing(self._attempts(spec, request)) as notes:
                async for note in notes:
                    yield note
        finally:
            ticket.leave()
            if not self._queue.running:
                self._lifecycle.rest()

    def status(self) -> dict[str, Any]:
        """For /v1/status: queue, model, library and the last request's timings, as JSON-able values."""
        snapshot = self._lifecycle.snapshot()
        last = self._last_finished
        return {
            "queue": {"running": self._queue.running, "waiting": self._queue.waiting},
            "model": {
                "state": snapshot.state,
                "id": snapshot.label,
                **(asdict(snapshot.model) if snapshot.model is not None else {}),
            },
            "library": asdict(snapshot.library) if snapshot.library is not None else None,
            "runner": {
                "pid": snapshot.pid,
                "resident_bytes": snapshot.resident_bytes,
                "last_returned_bytes": snapshot.last_returned_bytes,
            },
            "last_request": None
            if last is None
            else {
                "prompt_tokens": last.prompt_tokens,
                "completion_tokens": last.completion_tokens,
                **asdict(last.timings),
            },
        }

    async def _attempts(self, spec: ModelSpec, request: GenerationRequest) -> AsyncGenerator[Note, None]:
        started = False
        for again in (True, False):
            try:
                async with aclosing(self._attempt(spec, request)) as notes:
                    async for note in notes:
                        if isinstance(note, wire.Token):
                            again = False
                        if isinstance(note, wire.Started):
                            if started:
                                continue
                            started = True
                        yield note
                return
            except ModelCrashed:
                if not again:
                    raise

    async def _attempt(self, spec: ModelSpec, request: GenerationRequest) -> AsyncGenerator[Note, None]:
        wanted = await asyncio.to_thread(wanted_load, spec, self._settings)
        async with aclosing(self._lifecycle.ready(wanted)) as progress:
            async for loading in progress:
                yield loading
        job = self._lifecycle.submit(request)
        try:
            while True:
                item = await job.items.get()
                if isinstance(item, HoshikageError):
                    raise item
                assert not isinstance(item, wire.Failed)
                if isinstance(item, wire.Finished):
                    self._last_finished = item
                yield item
                if isinstance(item, wire.Finished):
                    return
        finally:
            self._lifecycle.forget(job)


def create(settings: Settings, environ: Mapping[str, str]) -> Dispatcher:
    """The dispatcher of a server. `environ` is where the system's own library search is described."""
    lifecycle = Lifecycle(
        partial(prepare_load, settings, environ),
        embedded_host if settings.engine == "thread" else process_host,
        settings.idle_timeout,
        settings.lang,
    )
    return Dispatcher(settings, lifecycle)


def wanted_load(spec: ModelSpec, settings: Settings) -> Wanted:
    """What loading this model means now. Raises ModelLoadFailed where its file is missing. Blocks on the disk."""
    try:
        state = spec.file.stat()
    except OSError:
        raise ModelLoadFailed(
            "dispatch.model_file_missing", param="model", label=spec.label, file=str(spec.file)
        ) from None
    params = LoadParams(
        model_path=str(spec.file),
        n_ctx=settings.n_ctx,
        n_batch=settings.n_batch,
        n_gpu_layers=settings.n_gpu_layers,
        n_threads=settings.n_threads,
    )
    return Wanted(spec.label, params, (state.st_ino, state.st_size, state.st_mtime_ns))


def check_model(path: Path) -> None:
    """Refuses a damaged file before the library, which may crash on it, sees it. Raises ModelLoadFailed."""
    try:
        gguf.read(path)
    except GgufInvalid as error:
        raise ModelLoadFailed.of(error.key, error.details, param="model") from None


def prepare_load(settings: Settings, environ: Mapping[str, str], wanted: Wanted) -> Path:
    """The library to load now, judged, for a model file that was checked. Raises ModelLoadFailed, LibraryUnavailable.

    Blocks on the disk and perhaps on a child process.
    """
    check_model(Path(wanted.params.model_path))
    found = locate.find(settings.lib_path, settings.lib_dir, environ)
    verdict.judge(found.file, cache_dir=cache_dir(), demo=demo.find()).require()
    return found.file


def process_host(library: Path, on_event: Callable[[wire.Event], None], on_exit: Callable[[Exit], None]) -> Host:
    return ProcessHost(library, library_log_level(), on_event, on_exit)


def embedded_host(library: Path, on_event: Callable[[wire.Event], None], _on_exit: Callable[[Exit], None]) -> Host:
    from hoshikage.runner.embedded import EmbeddedHost  # only here does the server process load the library

    return EmbeddedHost(library, library_log_level(), on_event)


def library_log_level() -> int:
    """The library is chatty at INFO: its lines are shown from WARNING on, or all of them at LOG_LEVEL=debug."""
    return logging.DEBUG if logging.getLogger("hoshikage").isEnabledFor(logging.DEBUG) else logging.WARNING
