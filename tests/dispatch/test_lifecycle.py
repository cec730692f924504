"""Tests the model's states: shared loads, switches, failures, idling out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextvars import Context, ContextVar
from pathlib import Path

import pytest

from hoshikage import wire
from hoshikage.dispatch import runner
from hoshikage.dispatch.crashes import LIMIT, QUARANTINE_S, Crashes
from hoshikage.dispatch.lifecycle import Lifecycle, Policy
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.ramdisk import MemoryState, Placed, RamDisk
from hoshikage.dispatch.runner import Job
from hoshikage.errors import (
    LibraryMissing,
    LibraryUnavailable,
    ModelCrashed,
    ModelLoadFailed,
    ModelQuarantined,
    Unavailable,
)
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message
from tests.dispatch.fake_host import LIBRARY, FakeHouse, FakeLibraries

REQUEST = GenerationRequest(ChatPrompt((Message("user", "hi"),)))


def wanted(label: str) -> WantedLoad:
    return WantedLoad(label, LoadParams(f"/models/{label}.gguf"), (1, 2, 3))


class Clock:
    """The test moves these seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lifecycle(
    house: FakeHouse,
    *,
    idle_timeout: float = 0.0,
    great_timeout: float = 0.0,
    watchdog: float = 0.0,
    libraries: FakeLibraries | None = None,
    crashes: Crashes | None = None,
    ramdisk: RamDisk | None = None,
) -> Lifecycle:
    return Lifecycle(
        libraries or FakeLibraries(),
        house,
        ramdisk or RamDisk(None),
        crashes or Crashes(Clock()),
        Policy(idle_timeout, great_timeout, watchdog, "en"),
    )


def submit(cycle: Lifecycle) -> Job:
    return cycle.submit(REQUEST, lambda: None)


async def load(cycle: Lifecycle, label: str) -> list[float]:
    return [note.progress async for note in cycle.ready(wanted(label))]


async def test_a_loaded_model_is_not_loaded_again() -> None:
    house = FakeHouse()
    cycle = lifecycle(house)
    await load(cycle, "a")
    assert wanted("a") == wanted("a")
    assert not wanted("a") != wanted("a")  # noqa: SIM202 - it is the operator that is tested
    await load(cycle, "a")
    assert len(house.loads) == 1


async def test_many_waiters_for_one_model_cause_one_load_and_all_see_its_progress() -> None:
    house = FakeHouse()
    house.hold_load = True
    cycle = lifecycle(house)
    waiters = [asyncio.create_task(load(cycle, "a")) for _ in range(3)]
    await house.load_began.wait()
    host = await house.host(0)
    host.emit(wire.Loading(0.5))
    host.finish_load()
    assert await asyncio.gather(*waiters) == [[0.5]] * 3
    assert house.loads == ["/models/a.gguf"]
    assert cycle.snapshot().state == "ready"
    await load(cycle, "a")
    assert house.loads == ["/models/a.gguf"]


async def test_another_model_ends_the_runner_of_the_first() -> None:
    house = FakeHouse()
    cycle = lifecycle(house)
    await load(cycle, "a")
    await load(cycle, "b")
    assert [host.stopped for host in house.hosts] == [True, False]
    assert cycle.snapshot().label == "b"


async def test_a_failed_load_reaches_every_waiter_and_the_next_request_tries_again() -> None:
    house = FakeHouse()
    house.hold_load = True
    cycle = lifecycle(house)
    waiters = [asyncio.create_task(load(cycle, "a")) for _ in range(2)]
    await house.load_began.wait()
    house.hosts[0].emit(wire.Failed.of(ModelLoadFailed("engine.load_failed", file="a"), None))
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(result) for result in results] == [ModelLoadFailed] * 2
    house.hold_load = False
    await load(cycle, "a")
    assert cycle.snapshot().state == "ready"


async def test_no_library_is_told_without_a_runner_and_recovers() -> None:
    house = FakeHouse()
    libraries = FakeLibraries()
    libraries.error = LibraryMissing("library.missing")
    cycle = lifecycle(house, libraries=libraries)
    with pytest.raises(LibraryUnavailable):
        await load(cycle, "a")
    assert house.hosts == []
    libraries.error = None
    await load(cycle, "a")
    assert cycle.snapshot().state == "ready"


async def test_a_crash_while_loading_fails_the_load() -> None:
    house = FakeHouse()
    house.hold_load = True
    cycle = lifecycle(house)
    waiter = asyncio.create_task(load(cycle, "a"))
    await house.load_began.wait()
    house.hosts[0].crash()
    with pytest.raises(ModelCrashed) as crashed:
        await waiter
    assert crashed.value.key == "dispatch.crashed_loading"
    assert crashed.value.details["reason"] == "SIGSEGV"


async def test_a_crash_ends_the_running_job_and_unloads() -> None:
    house = FakeHouse()
    cycle = lifecycle(house)
    await load(cycle, "a")
    job = submit(cycle)
    house.hosts[0].crash("SIGKILL")
    assert isinstance(await job.items.get(), ModelCrashed)
    assert cycle.snapshot().state == "unloaded"


async def test_a_waiter_that_leaves_does_not_end_the_load() -> None:
    house = FakeHouse()
    house.hold_load = True
    cycle = lifecycle(house)
    leaver = asyncio.create_task(load(cycle, "a"))
    await house.load_began.wait()
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    stayer = asyncio.create_task(load(cycle, "a"))
    house.hosts[0].finish_load()
    await stayer
    assert house.loads == ["/models/a.gguf"]


async def test_a_forgotten_job_is_cancelled_unless_it_has_ended() -> None:
    house = FakeHouse()
    cycle = lifecycle(house)
    await load(cycle, "a")
    host = house.hosts[0]
    ended, running = submit(cycle), submit(cycle)
    await host.answer("x")
    cycle.forget(ended)
    cycle.forget(running)
    assert [command for command in host.commands if isinstance(command, wire.Cancel)] == [wire.Cancel(running.number)]


class MovedLoop:
    """Catches the loop's timers so that the test, not the clock, lets them fire."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.timers: list[tuple[float, asyncio.TimerHandle]] = []
        loop = asyncio.get_running_loop()

        def call_later(
            delay: float, callback: Callable[..., object], *arguments: object, context: Context | None = None
        ) -> asyncio.TimerHandle:
            handle = asyncio.TimerHandle(loop.time() + delay, callback, arguments, loop, context)
            self.timers.append((delay, handle))
            return handle

        monkeypatch.setattr(loop, "call_later", call_later)

    def fire(self, delay: float) -> None:
        """Lets the timers of that delay fire that were not cancelled."""
        due = [handle for wait, handle in self.timers if wait == delay and not handle.cancelled()]
        self.timers = [entry for entry in self.timers if entry[1] not in due]
        assert due, f"no timer of {delay} s is set"
        for handle in due:
            handle._run()


async def test_the_idle_clock_runs_from_the_last_request_and_work_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    house = FakeHouse()
    cycle = lifecycle(house, idle_timeout=300.0)
    await load(cycle, "a")
    moved = MovedLoop(monkeypatch)
    cycle.rest()
    submit(cycle)
    assert [handle.cancelled() for _, handle in moved.timers] == [True]
    cycle.rest()
    moved.fire(300.0)
    await house.hosts[0].gone.wait()
    assert cycle.snapshot().state == "unloaded"


async def test_what_the_idle_clock_does_is_not_the_last_requests_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    request_id: ContextVar[str] = ContextVar("request_id", default="")
    house = FakeHouse()
    cycle = lifecycle(house, idle_timeout=300.0)
    await load(cycle, "a")
    moved = MovedLoop(monkeypatch)
    request_id.set("req_1")
    seen: list[str] = []
    stop = house.hosts[0].stop

    async def stop_and_look() -> None:
        seen.append(request_id.get())
        await stop()

    monkeypatch.setattr(house.hosts[0], "stop", stop_and_look)
    cycle.rest()
    moved.fire(300.0)
    await house.hosts[0].gone.wait()
    assert seen == [""]


async def test_work_that_comes_as_the_idle_clock_fires_keeps_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    house = FakeHouse()
    cycle = lifecycle(house, idle_timeout=300.0)
    await load(cycle, "a")
    moved = MovedLoop(monkeypatch)
    cycle.rest()
    moved.fire(300.0)
    submit(cycle)
    await load(cycle, "a")
    assert not house.hosts[0].stopped
    assert house.loads == ["/models/a.gguf"]


async def test_looking_at_the_state_neither_wakes_a_model_nor_resets_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = FakeHouse()
    cycle = lifecycle(house, idle_timeout=300.0)
    await load(cycle, "a")
    moved = MovedLoop(monkeypatch)
    cycle.rest()
    cycle.snapshot()
    assert [handle.cancelled() for _, handle in moved.timers] == [False]


async def test_the_great_clock_takes_the_copy_out_of_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    house = FakeHouse()
    released = asyncio.Event()
    loop = asyncio.get_running_loop()
    disk = RamDisk(None)
    release = disk.release
    monkeypatch.setattr(disk, "release", lambda: (loop.call_soon_threadsafe(released.set), release())[1])
    cycle = lifecycle(house, idle_timeout=300.0, great_timeout=3600.0, ramdisk=disk)
    await load(cycle, "a")
    moved = MovedLoop(monkeypatch)
    cycle.rest()
    moved.fire(300.0)
    await house.hosts[0].gone.wait()
    moved.fire(3600.0)
    await released.wait()


async def test_a_great_clock_that_ran_out_before_the_model_went_takes_the_copy_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house, released, disk = FakeHouse(), asyncio.Event(), RamDisk(None)
    loop, release = asyncio.get_running_loop(), disk.release
    monkeypatch.setattr(disk, "release", lambda: (loop.call_soon_threadsafe(released.set), release())[1])
    cycle = lifecycle(house, idle_timeout=7200.0, great_timeout=3600.0, ramdisk=disk)
    await load(cycle, "a")
    moved = MovedLoop(monkeypatch)
    cycle.rest()
    moved.fire(3600.0)
    await vars(cycle)["_ending"]
    assert not released.is_set(), "the model is still loaded"
    moved.fire(7200.0)
    await released.wait()


async def test_a_busy_runner_that_says_nothing_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "TICK_S", 60.0)
    house = FakeHouse()
    cycle = lifecycle(house, watchdog=60.0)
    moved = MovedLoop(monkeypatch)
    await load(cycle, "a")
    job = submit(cycle)
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now + 1000.0)
    moved.fire(60.0)
    assert not house.hosts[0].gone.is_set(), (
        "a watchdog that comes late slept itself, as the runner did: it begins anew"
    )
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now + 1060.5)
    moved.fire(60.0)
    error = await job.items.get()
    assert isinstance(error, ModelCrashed)
    assert "no progress" in str(error.details["reason"])


async def test_three_crashes_in_a_minute_put_the_model_in_quarantine_until_something_changes() -> None:
    house, clock = FakeHouse(), Clock()
    libraries = FakeLibraries("library 1")
    crashes = Crashes(clock)
    cycle = lifecycle(house, crashes=crashes, libraries=libraries)
    crashes.pause = lambda label: 0.0  # type: ignore[method-assign]
    for number in range(LIMIT):
        await load(cycle, "a")
        house.hosts[number].crash()
    with pytest.raises(ModelQuarantined) as resting:
        await load(cycle, "a")
    assert (resting.value.status, resting.value.retry_after) == (503, int(QUARANTINE_S))
    await load(cycle, "b")
    libraries.name = "library 2"
    await load(cycle, "a")
    assert cycle.snapshot().label == "a"


async def test_quarantine_ends_with_time() -> None:
    house, clock = FakeHouse(), Clock()
    crashes = Crashes(clock)
    cycle = lifecycle(house, crashes=crashes)
    crashes.pause = lambda label: 0.0  # type: ignore[method-assign]
    for number in range(LIMIT):
        await load(cycle, "a")
        house.hosts[number].crash()
    clock.now += QUARANTINE_S
    await load(cycle, "a")
    assert cycle.snapshot().state == "ready"


async def test_a_new_library_that_cannot_load_makes_way_for_the_one_that_worked() -> None:
    house, libraries = FakeHouse(), FakeLibraries("new", former="old")
    house.hold_load = True
    cycle = lifecycle(house, libraries=libraries)
    waiter = asyncio.create_task(load(cycle, "a"))
    await house.load_began.wait()
    house.hold_load = False
    house.hosts[0].emit(wire.Failed.of(ModelLoadFailed("engine.model_load_failed", path="a", reason="-"), None))
    await waiter
    assert libraries.fallen == [("new", "old", "engine.model_load_failed")]
    assert cycle.choice is not None
    assert cycle.choice.release == "old"
    assert house.hosts[0].stopped


async def test_a_model_that_neither_library_loads_is_at_fault_itself() -> None:
    house, libraries = FakeHouse(), FakeLibraries("new", former="old")
    house.hold_load = True
    cycle = lifecycle(house, libraries=libraries)
    waiter = asyncio.create_task(load(cycle, "a"))
    for number in (0, 1):
        host = await house.host(number)
        await host.loading.wait()
        host.emit(wire.Failed.of(ModelLoadFailed(f"engine.{number}"), None))
    with pytest.raises(ModelLoadFailed) as failed:
        await waiter
    assert failed.value.key == "engine.0"
    assert libraries.fallen == []


async def test_a_library_that_has_loaded_a_model_is_remembered_as_good() -> None:
    libraries = FakeLibraries("library 1")
    await load(lifecycle(FakeHouse(), libraries=libraries), "a")
    assert libraries.good == ["library 1"]


async def test_an_unload_calls_a_load_off_and_its_waiters_are_told() -> None:
    house = FakeHouse()
    house.hold_load = True
    cycle = lifecycle(house)
    waiter = asyncio.create_task(load(cycle, "a"))
    await house.load_began.wait()
    await cycle.unload()
    with pytest.raises(Unavailable):
        await waiter
    assert house.hosts[0].stopped


async def test_an_idle_runner_is_ended_and_the_next_request_loads_again() -> None:
    house = FakeHouse()
    cycle = lifecycle(house, idle_timeout=0.001)
    await load(cycle, "a")
    host = house.hosts[0]
    cycle.rest()
    await host.gone.wait()
    assert cycle.snapshot().state == "unloaded"
    await load(cycle, "a")
    assert house.loads == ["/models/a.gguf"] * 2


async def test_a_model_is_unloaded_when_its_memory_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    house = FakeHouse()
    cycle = lifecycle(house)
    await load(cycle, "a")
    asked, gone = asyncio.Event(), asyncio.Event()

    async def stop() -> None:
        asked.set()
        await gone.wait()

    monkeypatch.setattr(house.hosts[0], "stop", stop)
    ending = asyncio.create_task(cycle.unload())
    await asked.wait()
    seen = cycle.snapshot()
    assert (seen.state, seen.label, seen.model, seen.library) == ("unloading", "a", None, LIBRARY)
    gone.set()
    await ending
    assert cycle.snapshot().state == "unloaded"


async def test_a_model_that_shall_stay_stays_and_one_that_shall_go_goes() -> None:
    house = FakeHouse()
    cycle = lifecycle(house, idle_timeout=0.001)
    await load(cycle, "a")
    cycle.keep(math.inf)
    cycle.rest()
    assert cycle._idle is None
    cycle.keep(0)
    cycle.rest()
    await house.hosts[0].gone.wait()
    assert cycle.snapshot().state == "unloaded"
    await load(cycle, "a")
    assert cycle._idle_s() == 0.001, "what was asked for the former load is forgotten"


async def test_a_failed_load_names_the_file_that_people_know_not_its_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    house = FakeHouse()
    house.hold_load = True
    disk = RamDisk(tmp_path, MemoryState(platform="linux"))
    monkeypatch.setattr(disk, "find", lambda file: Placed(Path("/dev/shm/copy/weights.gguf"), True, None))
    cycle = lifecycle(house, ramdisk=disk)
    waiter = asyncio.create_task(load(cycle, "a"))
    await house.load_began.wait()
    assert house.loads == ["/dev/shm/copy/weights.gguf"]
    copy = {"path": "/dev/shm/copy/weights.gguf", "reason": "tensor in /dev/shm/copy/weights.gguf"}
    house.hosts[0].emit(wire.Failed.of(ModelLoadFailed.of("engine.model_load_failed", copy), None))
    with pytest.raises(ModelLoadFailed) as failed:
        await waiter
    assert failed.value.details == {"path": "/models/a.gguf", "reason": "tensor in /models/a.gguf"}
