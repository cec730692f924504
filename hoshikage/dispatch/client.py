"""The async face of the engine: requests in, notes and events out. Event loop only."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hoshikage import gguf, wire
from hoshikage.dispatch.answer_record import AnswerRecord
from hoshikage.dispatch.crashes import Crashes, Origin
from hoshikage.dispatch.host import Exit, Host
from hoshikage.dispatch.latencies import Latencies
from hoshikage.dispatch.libraries import InstalledLibraries, Libraries
from hoshikage.dispatch.lifecycle import Lifecycle, Policy, Snapshot
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.memory import in_use
from hoshikage.dispatch.process import ProcessHost
from hoshikage.dispatch.queue import Queue
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.dispatch.tries import ACCOUNT, Answering, RunNote, Tries
from hoshikage.errors import InvalidRequest, ModelLoadFailed, QueueFull
from hoshikage.messages import text
from hoshikage.params import GenerationRequest, ModelInfo, Work
from hoshikage.registry import ModelSpec, read_template, template_name
from hoshikage.settings import Settings, cache_dir

KEPT_RECORDS: Final = 20
UNKNOWN: Final = "unknown"
"""As the version of a library that neither tells it nor has it in its file's name."""


if TYPE_CHECKING:
    from hoshikage.library.selection import SelectedLibrary

Clock = Callable[[], float]


class Waiting:
    """The request waits. Its place is looked up when somebody asks for it, however long after this note."""

    __slots__ = ("_place",)

    def __init__(self, place: int | Callable[[], int]) -> None:
        self._place = place

    @property
    def place(self) -> int:
        """1 is next; 0 is no longer waiting."""
        return self._place if isinstance(self._place, int) else self._place()

    def __repr__(self) -> str:
        return f"Waiting({self.place})"


@dataclass(slots=True)
class Totals:
    """What has been computed since the server started."""

    prompt_tokens: int = 0
    """Computed, without those that were in memory already."""
    cached_tokens: int = 0
    completion_tokens: int = 0
    prompt_ms: float = 0.0
    decode_ms: float = 0.0

    def add(self, end: wire.Finished) -> None:
        self.prompt_tokens += end.prompt_tokens - end.timings.cached_tokens
        self.cached_tokens += end.timings.cached_tokens
        self.completion_tokens += end.completion_tokens
        self.prompt_ms += end.timings.prompt_ms
        self.decode_ms += end.timings.decode_ms


Note = Waiting | wire.Loading | Answering | RunNote


class Dispatcher:
    """Made once by the server (`create`), closed with `stop`."""

    def __init__(
        self, settings: Settings, lifecycle: Lifecycle, libraries: Libraries, crashes: Crashes, clock: Clock
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._settings = settings
        self._lifecycle = lifecycle
        self._libraries = libraries
        self._crashes = crashes
        self._clock = clock
        self._queue = Queue(
            settings.load_params.n_parallel, settings.queue_size, settings.queue_timeout, clock, lifecycle.rest
        )
        self._tries = Tries(lifecycle, crashes, clock)
        self._records: deque[AnswerRecord] = deque(maxlen=KEPT_RECORDS)
        self._totals = Totals()
        self._latencies = Latencies()

    async def start(self) -> None:
        await self._lifecycle.start()

    def drain(self) -> None:
        """Takes no more requests and refuses those that wait; those that run go on."""
        self._queue.close()

    async def stop(self) -> None:
        """Ends the runner, and what still runs with it."""
        self.drain()
        await self._lifecycle.stop()

    async def preload(self, spec: ModelSpec) -> None:
        """Loads a model in its turn, as a request for it would. Raises HoshikageError."""
        ticket = self._queue.enter(spec.label, load_key(spec))
        try:
            await ticket.wait()
            async for _ in self._tries.load(partial(wanted_load, spec, self._settings)):
                pass
        finally:
            ticket.leave()

    def keep(self, seconds: float) -> None:
        """The loaded model stays so long after its last use; 0 unloads it as soon as nothing runs, inf is for good."""
        self._lifecycle.keep(seconds)
        if not self._queue.running and not self._queue.waiting:
            self._lifecycle.rest()

    async def unload(self) -> None:
        """Ends the runner now. Raises InvalidRequest while a request runs."""
        if self._queue.running:
            raise InvalidRequest("dispatch.busy", label=self._lifecycle.snapshot().label or "")
        await self._lifecycle.unload()

    async def generate(self, spec: ModelSpec, request: Work) -> AsyncGenerator[Note, None]:
        """Yields notes while the request waits and the model loads, then one Started, the Prefill and Token events (or
        the task's own), and exactly one Finished. Raises HoshikageError instead. Closing the generator gives up the
        place or cancels the job at once.

        A runner that crashes before any text was sent is replaced and the request run once more.
        """
        fingerprint = digest(spec.label, request)
        origin = Origin(fingerprint, ACCOUNT.get(), getattr(request, "grammar", None) is not None)
        if self._crashes.refuses(fingerprint):
            wanted = await asyncio.to_thread(wanted_load, spec, self._settings)
            self._crashes.check_request(fingerprint, wanted.file_state)
        if origin.grammar:
            self._crashes.check_caller(origin.caller)
        arrived = self._clock()
        ticket = self._queue.enter(spec.label, load_key(spec))
        try:
            if ticket.waits:
                yield Waiting(lambda: ticket.place)
            await ticket.wait()
            admitted = self._clock()
            async with aclosing(
                self._tries.notes(partial(wanted_load, spec, self._settings), request, ticket, origin)
            ) as notes:
                async for note in notes:
                    if isinstance(note, wire.Finished):
                        self._crashes.finished(spec.label, fingerprint)
                        self._totals.add(note)
                        note = with_waits(note, queue_s=admitted - arrived, load_s=ticket.load_s)
                        if isinstance(request, GenerationRequest):
                            self._record(spec.label, note, total_s=self._clock() - arrived)
                    yield note
        finally:
            ticket.leave()

    @property
    def full(self) -> QueueFull | None:
        """The refusal that whoever comes now will get, before anything else of the request is looked at."""
        return self._queue.full() if self._queue.is_full else None

    def status(self) -> dict[str, Any]:
        """Queue, model, library in use and the last requests' timings, as JSON-able values."""
        snapshot = self._lifecycle.snapshot()
        return {
            "queue": {
                "slots": self._settings.load_params.n_parallel,
                "running": self._queue.running,
                "waiting": len(self._queue.waiting),
                "waiting_for": list(self._queue.waiting),
            },
            "model": {
                "state": snapshot.state,
                "id": snapshot.label,
                "quarantined": snapshot.label is not None and self._crashes.quarantined(snapshot.label),
                "progress": snapshot.progress,
                **(self._told(snapshot.model) if snapshot.model is not None else {}),
            },
            "library": None
            if snapshot.library is None
            else {**self._of_library(snapshot), **told_of(snapshot.choice, snapshot.library.version)},
            "runner": {"pid": snapshot.pid, "resident_bytes": snapshot.resident_bytes, "ahead": snapshot.ahead},
            "ramdisk": None
            if snapshot.in_memory is None
            else {"source": str(snapshot.in_memory.source), "bytes": snapshot.in_memory.size},
            "idle": {"unload_in": snapshot.ends_in, "release_in": snapshot.freed_in},
            "last_unload": asdict(snapshot.returned) if snapshot.returned is not None else None,
            "totals": {**asdict(self._totals), "loads": snapshot.loads, "crashes": snapshot.crashes},
            "last_requests": [asdict(record) for record in reversed(self._records)],
        }

    def _told(self, model: ModelInfo) -> dict[str, Any]:
        warnings = [text(self._settings.lang, key) for key in model.warnings]
        told = {**asdict(model), "warnings": warnings}
        del told["devices"]  # they stand with the library
        return told

    def _of_library(self, snapshot: Snapshot) -> dict[str, Any]:
        """The library with its devices: as the load left them, where a model is loaded."""
        library = snapshot.library
        assert library is not None
        return asdict(replace(library, devices=snapshot.model.devices) if snapshot.model is not None else library)

    async def full_status(self) -> dict[str, Any]:
        """For /v1/status: `status`, and what has to be looked for: memory, and whether a library was taken back."""
        found = self.status()
        memory = await asyncio.to_thread(in_use, found["runner"]["pid"] or 0)
        memory["vram_bytes"] = memory["vram_bytes"] or found["model"].get("vram_bytes", 0)
        taken_back = await asyncio.to_thread(self._libraries.status)
        return {**found, "memory": memory, "library_taken_back": taken_back}

    def latencies(self) -> Latencies:
        """How long answers took since the server started."""
        return self._latencies

    def _record(self, label: str, end: wire.Finished, total_s: float) -> None:
        timings = end.timings
        self._latencies.add(
            label,
            first_s=(timings.queue_ms + timings.load_ms + timings.first_token_ms) / 1e3,
            decode_s=timings.decode_ms / 1e3,
            total_s=total_s,
            tokens=end.completion_tokens,
        )
        self._records.append(AnswerRecord.of(label, end, total_s))


def with_waits(end: wire.Finished, queue_s: float, load_s: float) -> wire.Finished:
    """The end with what the runner does not know of."""
    return msgspec.structs.replace(end, timings=replace(end.timings, queue_ms=queue_s * 1e3, load_ms=load_s * 1e3))


def told_of(choice: SelectedLibrary | None, version: str) -> dict[str, str]:
    """What people know a library by, for /v1/status. Its files may tell the release where it does not itself."""
    if choice is None:
        return {}
    known = choice.release if version == UNKNOWN else version
    return {"name": choice.slot, "file": str(choice.found), "release": choice.release, "version": known}


def digest(label: str, request: Work) -> bytes:
    """Tells requests apart without keeping them."""
    return hashlib.sha256(label.encode() + b"\0" + wire.encode(wire.command_for(0, request))).digest()


def create(settings: Settings, environ: Mapping[str, str]) -> Dispatcher:
    """The dispatcher of a server. `environ` is where the system's own library search is described."""
    crashes = Crashes(time.monotonic)
    libraries = InstalledLibraries(settings, environ)
    ahead = settings.runner_ahead and settings.engine == "process"
    lifecycle = Lifecycle(
        libraries,
        embedded_host if settings.engine == "thread" else process_host,
        RamDisk(settings.ramdisk_path, limit=int(settings.ramdisk_size * 2**30)),
        crashes,
        Policy(settings.idle_timeout, settings.great_timeout * 60, settings.watchdog_timeout, settings.lang, ahead),
    )
    return Dispatcher(settings, lifecycle, libraries, crashes, time.monotonic)


def load_key(spec: ModelSpec) -> Hashable:
    """The same for all names of one file with the same settings of loading, which need no load between them."""
    options = spec.options
    return spec.file, tuple(sorted(options.loading().items())), options.chat_template, options.draft


def wanted_load(spec: ModelSpec, settings: Settings) -> WantedLoad:
    """What loading this model means now. Raises ModelLoadFailed where a file of it is missing. Blocks on the disk."""
    try:
        states = [spec.file.stat(), *(part.stat() for part in gguf.files(spec.file)[1:] if part.exists())]
    except OSError:
        raise _file_missing(spec, spec.file) from None
    options = spec.options
    if options.draft is not None:
        draft = Path(options.draft)
        try:
            states.append(draft.stat())
        except OSError:
            raise _file_missing(spec, draft) from None
    params = replace(
        settings.load_params,
        model_path=str(spec.file),
        chat_template=read_template(options.chat_template),
        template_name=template_name(options.chat_template),
        draft_path=options.draft or "",
        **options.loading(),
    )
    size, changed = sum(state.st_size for state in states), max(state.st_mtime_ns for state in states)
    return WantedLoad(spec.label, params, (states[0].st_ino, size, changed))


def _file_missing(spec: ModelSpec, file: Path) -> ModelLoadFailed:
    return ModelLoadFailed("dispatch.model_file_missing", param="model", label=spec.label, file=str(file))


def process_host(library: Path, on_event: Callable[[wire.Event], None], on_exit: Callable[[Exit], None]) -> Host:
    return ProcessHost(library, library_log_level(), on_event, on_exit, layouts_of(library))


def embedded_host(library: Path, on_event: Callable[[wire.Event], None], _on_exit: Callable[[Exit], None]) -> Host:
    from hoshikage.runner.embedded import EmbeddedHost  # only here does the server process load the library

    return EmbeddedHost(library, library_log_level(), on_event, layouts_of(library))


def layouts_of(library: Path) -> Path | None:
    """The calibrated layouts of a library that was judged to be good with them."""
    from hoshikage.library import calibration

    with suppress(OSError):
        return calibration.stored(library, cache_dir())
    return None


def library_log_level() -> int:
    """The library is chatty at INFO: its lines are shown from WARNING on, or all of them at LOG_LEVEL=debug."""
    return logging.DEBUG if logging.getLogger("hoshikage").isEnabledFor(logging.DEBUG) else logging.WARNING
