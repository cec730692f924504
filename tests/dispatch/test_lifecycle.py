"""The model's states: shared loads, switches, failures, idling out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hoshikage import wire
from hoshikage.dispatch.lifecycle import Lifecycle, Wanted
from hoshikage.errors import LibraryUnavailable, ModelCrashed, ModelLoadFailed
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message
from tests.dispatch.fake_host import FakeHouse

REQUEST = GenerationRequest(ChatPrompt((Message("user", "hi"),)))


def wanted(label: str) -> Wanted:
    return Wanted(label, LoadParams(f"/models/{label}.gguf"), (1, 2, 3))


def lifecycle(house: FakeHouse, idle_timeout: float = 0.0) -> Lifecycle:
    return Lifecycle(lambda _: Path("libllama.so"), house, idle_timeout, "en")


async def load(cycle: Lifecycle, label: str) -> list[float]:
    return [note.progress async for note in cycle.ready(wanted(label))]


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
    found = False

    def prepare(_: Wanted) -> Path:
        if not found:
            raise LibraryUnavailable("library.missing")
        return Path("libllama.so")

    cycle = Lifecycle(prepare, house, 0, "en")
    with pytest.raises(LibraryUnavailable):
        await load(cycle, "a")
    assert house.hosts == []
    found = True
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
    assert crashed.value.details["reason"] == "SIGSEGV"


async def test_a_crash_ends_the_running_job_and_unloads() -> None:
    house = FakeHouse()
    cycle = lifecycle(house)
    await load(cycle, "a")
    job = cycle.submit(REQUEST)
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
    ended, running = cycle.submit(REQUEST), cycle.submit(REQUEST)
    await host.answer("x")
    cycle.forget(ended)
    cycle.forget(running)
    assert [command for command in host.commands if isinstance(command, wire.Cancel)] == [wire.Cancel(running.number)]


async def test_rest_ends_the_runner_after_the_idle_time_and_work_holds_it() -> None:
    house = FakeHouse()
    cycle = lifecycle(house, idle_timeout=100.0)
    loop = asyncio.get_running_loop()
    timers: list[tuple[float, asyncio.TimerHandle]] = []
    call_later = loop.call_later

    def watched(delay: float, callback: object, *arguments: object, **keywords: object) -> asyncio.TimerHandle:
        handle = call_later(delay, callback, *arguments, **keywords)  # type: ignore[arg-type]
        timers.append((delay, handle))
        return handle

    loop.call_later = watched  # type: ignore[method-assign]
    await load(cycle, "a")
    cycle.rest()
    assert [delay for delay, _ in timers] == [100.0]
    cycle.submit(REQUEST)
    assert timers[0][1].cancelled()


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
