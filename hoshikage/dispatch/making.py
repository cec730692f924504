"""Makes a server's dispatcher: its pools, their lanes, and the hosts of their runners. Event loop only."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hoshikage import wire
from hoshikage.dispatch.budget import Budget
from hoshikage.dispatch.client import Dispatcher
from hoshikage.dispatch.copier import Copier
from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.host import Exit, Host, HostFactory
from hoshikage.dispatch.libraries import InstalledLibraries, Libraries
from hoshikage.dispatch.lifecycle import Lifecycle, Policy
from hoshikage.dispatch.pool import VOCABULARY_IDLE_S, Kind, Pool, Pools
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.dispatch.standby import StandbyRunner
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings, cache_dir

if TYPE_CHECKING:
    from hoshikage.dispatch.kv_store import KvStore


def create(
    settings: Settings, environ: Mapping[str, str], known: Callable[[str], ModelSpec | None] | None = None
) -> Dispatcher:
    """Makes the dispatcher of a server. `environ` is where the system's own library search is described; `known` says
    what is registered by a name now."""
    libraries = InstalledLibraries(settings, environ)
    in_process = settings.engine == "thread"
    ramdisk = RamDisk(settings.ramdisk_path, limit=int(settings.ramdisk_size * 2**30))
    make_host = embedded_host if in_process else process_host
    return assemble(settings, libraries, make_host, ramdisk, time.monotonic, store_of(settings), known)


def store_of(settings: Settings) -> KvStore | None:
    """Returns the store in which conversations outlive their runners, as KV_STORE has it; None where there is none."""
    if settings.kv_store == "off":
        return None
    from hoshikage.dispatch import kv_store  # only where somebody wants it

    max_bytes, max_age_s = int(settings.kv_store_size * 2**30), settings.kv_store_ttl * 86_400
    if settings.kv_store == "disk":
        return kv_store.own_folder_store(cache_dir(), max_bytes, max_age_s, settings.lang)
    unnamed = hasattr(os, "memfd_create")
    return kv_store.memory_store(max_bytes, max_age_s, unnamed=unnamed, language=settings.lang)


def assemble(
    settings: Settings,
    libraries: Libraries,
    make_host: HostFactory,
    ramdisk: RamDisk,
    clock: Callable[[], float],
    store: KvStore | None = None,
    known: Callable[[str], ModelSpec | None] | None = None,
) -> Dispatcher:
    """Makes a dispatcher with all its pools. An engine within this process is the only one: libraries share its address
    space, and their logs and devices."""
    crashes = Crashes(clock)
    several = settings.engine != "thread"
    ahead = settings.runner_ahead and several
    standby = StandbyRunner(libraries, make_host, settings.watchdog_timeout, wanted=ahead)
    copier = Copier(ramdisk, settings.lang, always=settings.ramdisk_always)

    def pool(kind: Kind, lanes: int = 1) -> Pool:
        idle = settings.idle_timeout
        great = settings.great_timeout * 60 if kind == "chat" else 0.0
        if kind == "vocabulary":
            idle = min(idle or VOCABULARY_IDLE_S, VOCABULARY_IDLE_S)
        policy = Policy(idle, great, settings.watchdog_timeout, settings.lang, ahead)
        memory = ramdisk if kind == "chat" else RamDisk(None)
        kept = store if kind == "chat" else None
        made = [Lifecycle(libraries, make_host, memory, crashes, policy, standby, copier, kept) for _ in range(lanes)]
        result = Pool(kind, made, settings, crashes, clock)
        if known is not None:
            result.heed(known)
        return result

    if not several:
        return Dispatcher(settings, Pools(pool("chat")), libraries, crashes, clock, store, copier=copier)
    beside = settings.embedding_memory > 0
    pools = Pools(
        pool("chat", settings.max_models),
        pool("embeddings") if beside else None,
        pool("rerank") if beside else None,
        pool("vocabulary"),
    )
    standby.may_start = copier.may_run = lambda: not any(one.busy for one in pools)
    budget = Budget(libraries, settings.queue_timeout)
    for one in pools.of_models():
        budget.watch(one.queue, one.lifecycles)
        one.on_change = budget.changed
    return Dispatcher(settings, pools, libraries, crashes, clock, store, standby, copier)


def process_host(library: Path, on_event: Callable[[wire.Event], None], on_exit: Callable[[Exit], None]) -> Host:
    from hoshikage.dispatch.process import ProcessHost  # with the first runner

    return ProcessHost(library, library_log_level(), on_event, on_exit, layouts_of(library))


def embedded_host(library: Path, on_event: Callable[[wire.Event], None], _on_exit: Callable[[Exit], None]) -> Host:
    from hoshikage.runner.embedded import EmbeddedHost  # only here does the server process load the library

    return EmbeddedHost(library, library_log_level(), on_event, layouts_of(library))


def layouts_of(library: Path) -> Path | None:
    """Returns the calibrated layouts of a library that was judged to be good with them."""
    from hoshikage.library import calibration

    with suppress(OSError):
        return calibration.stored(library, cache_dir())
    return None


def library_log_level() -> int:
    """The library is chatty at INFO: its lines are shown from WARNING on, or all of them at LOG_LEVEL=debug."""
    return logging.DEBUG if logging.getLogger("hoshikage").isEnabledFor(logging.DEBUG) else logging.WARNING
