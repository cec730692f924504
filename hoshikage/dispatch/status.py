"""What the server says of its queues, models and runners, as values and as JSON. Values; made on the event loop."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from msgspec import field

from hoshikage.dispatch.answer_record import AnswerRecord
from hoshikage.dispatch.copier import CopyStatus
from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.memory import Footprint, MemoryInUse
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.pool import Kind, Pool, Pools
from hoshikage.dispatch.ramdisk import HeldCopy
from hoshikage.dispatch.snapshot import Snapshot
from hoshikage.dispatch.totals import Totals
from hoshikage.dispatch.wanted import load_key
from hoshikage.frozen import Frozen
from hoshikage.infos import LibraryInfo, ModelInfo
from hoshikage.messages import Language, text
from hoshikage.registry import ModelSpec

if TYPE_CHECKING:
    from hoshikage.library.library_state import Fallback
    from hoshikage.library.selection import SelectedLibrary

UNKNOWN: Final = "unknown"
"""The version is shown so where neither a library nor its file's name tells it."""


class QueueStatus(Frozen, frozen=True):
    """This counts the requests for models that compute."""

    slots: int = 1
    running: int = 0
    waiting: int = 0
    waiting_for: tuple[str, ...] = ()
    """Each of them waits for one of these labels."""


class RunnerStatus(Frozen, frozen=True):
    """This is one model in memory, or on its way into it or out of it."""

    kind: Kind
    model: str
    """`model` is its label."""
    state: ModelState
    pid: int | None = None
    resident_bytes: int = 0
    vram_bytes: int = 0
    running: int = 0
    waiting: int = 0
    pinned: bool = False
    unload_in: float | None = None
    """The model ends for want of requests after so many seconds; None where no clock runs."""
    n_ctx: int = 0
    n_gpu_layers: int = 0
    images: bool = False
    audio: bool = False
    """`images` and `audio` tell whether it was loaded with a projector that reads pictures, and sound."""
    key: Hashable = None
    """`key` tells what the load was of; it is for the server's own use."""

    def serves(self, spec: ModelSpec) -> bool:
        """Returns whether the model's next request is answered by it as it was loaded, with no load between."""
        return self.key == load_key(spec)

    def to_json(self) -> dict[str, Any]:
        result = {**asdict(self), "state": self.state.value}
        del result["key"]
        return result


class ChosenLibrary(Frozen, frozen=True):
    """People know a library by these."""

    name: str
    file: str
    release: str
    version: str


class DispatcherStatus(Frozen, frozen=True):
    """This is the state at one moment. `state` to `ahead` and `unload_in` are of the model that chats; where none is
    loaded, of the one beside it; `runners` has all of them.
    """

    queue: QueueStatus = field(default_factory=QueueStatus)
    state: ModelState = ModelState.UNLOADED
    label: str | None = None
    quarantined: bool = False
    progress: float | None = None
    model: ModelInfo | None = None
    library: LibraryInfo | None = None
    choice: ChosenLibrary | None = None
    pid: int | None = None
    resident_bytes: int = 0
    ahead: int | None = None
    """`ahead` is the process id of the runner that was started ahead."""
    runners: tuple[RunnerStatus, ...] = ()
    in_memory: HeldCopy | None = None
    copy: CopyStatus = field(default_factory=CopyStatus)
    unload_in: float | None = None
    release_in: float | None = None
    """The copy in memory goes after so many seconds."""
    last_unload: Footprint | None = None
    totals: Totals = field(default_factory=Totals)
    last_requests: tuple[AnswerRecord, ...] = ()
    """The newest request stands first."""

    def loaded(self) -> list[RunnerStatus]:
        """Lists the models that are ready to compute."""
        return [one for one in self.runners if one.kind != "vocabulary" and one.state is ModelState.READY]

    def to_json(self, language: Language) -> dict[str, Any]:
        """Returns the values of /v1/status."""
        choice = {} if self.choice is None else asdict(self.choice)
        held = self.in_memory
        return {
            "queue": {**asdict(self.queue), "waiting_for": list(self.queue.waiting_for)},
            "model": {
                "state": self.state.value,
                "id": self.label,
                "quarantined": self.quarantined,
                "progress": self.progress,
                **({} if self.model is None else _model(self.model, language)),
            },
            "library": None if self.library is None else {**asdict(self.library), **choice},
            "runner": {"pid": self.pid, "resident_bytes": self.resident_bytes, "ahead": self.ahead},
            "runners": [one.to_json() for one in self.runners],
            "ramdisk": None if held is None else {"source": str(held.source), "bytes": held.size},
            "ramdisk_copy": asdict(self.copy),
            "idle": {"unload_in": self.unload_in, "release_in": self.release_in},
            "last_unload": None if self.last_unload is None else _unload(self.last_unload),
            "totals": asdict(self.totals),
            "last_requests": [asdict(record) for record in self.last_requests],
        }


class FullStatus(Frozen, frozen=True):
    """This is the state, with what has to be looked for."""

    now: DispatcherStatus
    memory: MemoryInUse = field(default_factory=MemoryInUse)
    fallback: Fallback | None = None
    """`fallback` tells what was taken back in the place of a library that failed; None where the chosen one is in
    use."""

    def to_json(self, language: Language) -> dict[str, Any]:
        """Returns all the values of /v1/status."""
        fallback = None if self.fallback is None else _fallback(self.fallback)
        return {**self.now.to_json(language), "memory": asdict(self.memory), "library_taken_back": fallback}


def of_all(
    pools: Pools, crashes: Crashes, totals: Totals, records: Iterable[AnswerRecord], before: Footprint | None = None
) -> DispatcherStatus:
    """Returns the state now. `before` is the last unload of the server whose figures go on here."""
    snapshots = {pool: [lifecycle.snapshot() for lifecycle in pool.lifecycles] for pool in pools}
    every = [one for result in snapshots.values() for one in result]
    snapshot = _shown(pools)
    copies = snapshots[pools.chat]
    copy = next((one for one in copies if one.freed_in is not None), copies[0])
    returned = [one for one in (before, *(lane.returned for lane in every)) if one is not None]
    models = pools.of_models()
    waiting = tuple(label for pool in models for label in pool.queue.waiting)
    return DispatcherStatus(
        queue=QueueStatus(
            slots=pools.chat.queue.max_running,
            running=sum(pool.queue.running for pool in models),
            waiting=len(waiting),
            waiting_for=waiting,
        ),
        state=snapshot.state,
        label=snapshot.label,
        quarantined=snapshot.label is not None and crashes.quarantined(snapshot.label),
        progress=snapshot.progress,
        model=snapshot.model,
        library=None if snapshot.library is None else _library(snapshot.library, snapshot),
        choice=None if snapshot.library is None else chosen(snapshot.choice, snapshot.library.version),
        pid=snapshot.pid,
        resident_bytes=snapshot.resident_bytes,
        ahead=snapshot.ahead,
        runners=tuple(
            _runner(pool, number, one)
            for pool, result in snapshots.items()
            for number, one in enumerate(result)
            if one.state is not ModelState.UNLOADED
        ),
        in_memory=copy.in_memory,
        copy=copy.copy,
        unload_in=snapshot.ends_in,
        release_in=copy.freed_in,
        last_unload=max(returned, key=lambda one: one.at) if returned else None,
        totals=replace(
            totals,
            loads=totals.loads + sum(one.loads for one in every),
            crashes=totals.crashes + sum(one.crashes for one in every),
        ),
        last_requests=tuple(reversed([*records])),
    )


def chosen(choice: SelectedLibrary | None, version: str) -> ChosenLibrary | None:
    """Its files may tell the release where the library does not itself."""
    if choice is None:
        return None
    known = choice.release if version == UNKNOWN else version
    return ChosenLibrary(choice.installed, str(choice.found), choice.release, known)


def _shown(pools: Pools) -> Snapshot:
    """Returns the lane whose model people mean by the loaded one."""
    shown = [pool.shown()[1] for pool in pools.of_models()]
    return next((one for one in shown if one.state is not ModelState.UNLOADED), shown[0])


def _runner(pool: Pool, number: int, snapshot: Snapshot) -> RunnerStatus:
    lane, model = pool.queue.lanes[number], snapshot.model
    return RunnerStatus(
        kind=pool.kind,
        model=snapshot.label or "",
        state=snapshot.state,
        pid=snapshot.pid,
        resident_bytes=snapshot.resident_bytes,
        vram_bytes=0 if model is None else model.vram_bytes,
        running=len(lane.running),
        waiting=pool.queue.waiting_for(lane.key),
        pinned=lane.pinned,
        unload_in=snapshot.ends_in,
        n_ctx=0 if model is None else model.n_ctx,
        n_gpu_layers=0 if model is None else model.n_gpu_layers,
        images=model is not None and model.images,
        audio=model is not None and model.audio,
        key=lane.key,
    )


def _library(library: LibraryInfo, snapshot: Snapshot) -> LibraryInfo:
    """Returns the library with its devices: as the load left them, where a model is loaded."""
    return library if snapshot.model is None else replace(library, devices=snapshot.model.devices)


def _unload(returned: Footprint) -> dict[str, int]:
    return {"resident_bytes": returned.resident_bytes, "vram_bytes": returned.vram_bytes}


def _model(model: ModelInfo, language: Language) -> dict[str, Any]:
    shown = {**asdict(model), "warnings": [text(language, key) for key in model.warnings]}
    del shown["devices"]  # they stand with the library
    return shown


def _fallback(fallback: Fallback) -> dict[str, Any]:
    return {
        "failed": {"slot": fallback.installed, "release": fallback.release, "file": fallback.file},
        "key": fallback.key,
        "details": fallback.details,
        "at": fallback.at,
        "in_use": fallback.to_release,
    }
