"""Makes what /v1/status shows of queues, models and runners. Event loop only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from hoshikage.dispatch.answer_record import AnswerRecord
from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.memory import Footprint
from hoshikage.dispatch.pool import Pool, Pools
from hoshikage.dispatch.snapshot import Snapshot
from hoshikage.dispatch.totals import Totals
from hoshikage.infos import LibraryInfo, ModelInfo
from hoshikage.messages import Language, text

if TYPE_CHECKING:
    from hoshikage.library.selection import SelectedLibrary

UNKNOWN: Final = "unknown"
"""As the version of a library that neither tells it nor has it in its file's name."""


def of_all(
    pools: Pools, crashes: Crashes, totals: Totals, records: Iterable[AnswerRecord], language: Language
) -> dict[str, Any]:
    """JSON-able values. `model`, `library`, `runner` and `idle` are of the model that chats; where none is loaded, of
    the one beside it. `runners` has all of them."""
    snapshots = {pool: [lifecycle.snapshot() for lifecycle in pool.lifecycles] for pool in pools}
    every = [one for found in snapshots.values() for one in found]
    snapshot = _shown(pools)
    copies = snapshots[pools.chat]
    copy = next((one for one in copies if one.freed_in is not None), copies[0])
    returned = [one.returned for one in every if one.returned is not None]
    models = pools.of_models()
    return {
        "queue": {
            "slots": pools.chat.queue.slots,
            "running": sum(pool.queue.running for pool in models),
            "waiting": sum(len(pool.queue.waiting) for pool in models),
            "waiting_for": [label for pool in models for label in pool.queue.waiting],
        },
        "model": {
            "state": snapshot.state,
            "id": snapshot.label,
            "quarantined": snapshot.label is not None and crashes.quarantined(snapshot.label),
            "progress": snapshot.progress,
            **(_told(snapshot.model, language) if snapshot.model is not None else {}),
        },
        "library": None
        if snapshot.library is None
        else {**_library(snapshot.library, snapshot), **told_of(snapshot.choice, snapshot.library.version)},
        "runner": {"pid": snapshot.pid, "resident_bytes": snapshot.resident_bytes, "ahead": snapshot.ahead},
        "runners": [
            _runner(pool, number, one)
            for pool, found in snapshots.items()
            for number, one in enumerate(found)
            if one.state != "unloaded"
        ],
        "ramdisk": None
        if copy.in_memory is None
        else {"source": str(copy.in_memory.source), "bytes": copy.in_memory.size},
        "idle": {"unload_in": snapshot.ends_in, "release_in": copy.freed_in},
        "last_unload": _unload(max(returned, key=lambda one: one.at)) if returned else None,
        "totals": {
            **asdict(totals),
            "loads": totals.loads + sum(one.loads for one in every),
            "crashes": totals.crashes + sum(one.crashes for one in every),
        },
        "last_requests": [asdict(record) for record in reversed([*records])],
    }


def _shown(pools: Pools) -> Snapshot:
    """The model that people mean by the loaded one."""
    shown = [pool.shown()[1] for pool in pools.of_models()]
    return next((one for one in shown if one.state != "unloaded"), shown[0])


def _runner(pool: Pool, number: int, snapshot: Snapshot) -> dict[str, Any]:
    lane = pool.queue.lanes[number]
    return {
        "kind": pool.kind,
        "model": snapshot.label,
        "state": snapshot.state,
        "pid": snapshot.pid,
        "resident_bytes": snapshot.resident_bytes,
        "vram_bytes": 0 if snapshot.model is None else snapshot.model.vram_bytes,
        "running": len(lane.running),
        "waiting": pool.queue.waiting_for(lane.key),
        "pinned": snapshot.pinned,
        "unload_in": snapshot.ends_in,
        "n_ctx": 0 if snapshot.model is None else snapshot.model.n_ctx,
        "n_gpu_layers": 0 if snapshot.model is None else snapshot.model.n_gpu_layers,
    }


def _unload(returned: Footprint) -> dict[str, int]:
    return {"resident_bytes": returned.resident_bytes, "vram_bytes": returned.vram_bytes}


def _told(model: ModelInfo, language: Language) -> dict[str, Any]:
    warnings = [text(language, key) for key in model.warnings]
    told = {**asdict(model), "warnings": warnings}
    del told["devices"]  # they stand with the library
    return told


def _library(library: LibraryInfo, snapshot: Snapshot) -> dict[str, Any]:
    """The library with its devices: as the load left them, where a model is loaded."""
    return asdict(replace(library, devices=snapshot.model.devices) if snapshot.model is not None else library)


def told_of(choice: SelectedLibrary | None, version: str) -> dict[str, str]:
    """What people know a library by, for /v1/status. Its files may tell the release where it does not itself."""
    if choice is None:
        return {}
    known = choice.release if version == UNKNOWN else version
    return {"name": choice.slot, "file": str(choice.found), "release": choice.release, "version": known}
