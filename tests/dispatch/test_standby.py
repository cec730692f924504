"""Tests the runner that is started ahead: for whom it is, when it is not, and that its end harms nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.lifecycle import Lifecycle, Policy
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.dispatch.standby import MIN_FREE, StandbyRunner
from hoshikage.errors import LibraryMissing
from hoshikage.infos import DeviceInfo
from tests.dispatch.fake_host import FakeHouse, FakeLibraries, choice
from tests.dispatch.test_lifecycle import Clock, load


def standby(
    house: FakeHouse, libraries: FakeLibraries, *, wanted: bool = True, memory: int = MIN_FREE
) -> StandbyRunner:
    return StandbyRunner(libraries, house, 0.0, wanted=wanted, memory=lambda: memory)


async def prepared(made: StandbyRunner) -> None:
    made.prepare()
    task = vars(made)["_starting"]
    if task is not None:
        await task


async def test_it_waits_with_the_library_loaded_and_is_given_once() -> None:
    house, libraries = FakeHouse(), FakeLibraries()
    made = standby(house, libraries)
    await prepared(made)
    await prepared(made)
    assert len(house.hosts) == 1
    assert house.hosts[0].commands == []
    runner = await made.take(choice("library 1"))
    assert runner is not None
    assert runner.library is not None
    assert await made.take(choice("library 1")) is None


async def test_one_with_another_library_is_ended() -> None:
    house = FakeHouse()
    made = standby(house, FakeLibraries("old"))
    await prepared(made)
    assert await made.take(choice("new")) is None
    assert house.hosts[0].stopped


async def test_its_own_end_is_nobodys_crash_and_the_next_one_may_come() -> None:
    house = FakeHouse()
    made = standby(house, FakeLibraries())
    await prepared(made)
    house.hosts[0].crash()
    assert made.pid is None
    assert await made.take(choice("library 1")) is None
    await prepared(made)
    assert await made.take(choice("library 1")) is not None


async def test_there_is_one_with_a_gpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    house, libraries = FakeHouse(), FakeLibraries()
    seen = replace(choice("x"), devices=(DeviceInfo("CUDA0", "", "gpu", 1, 1),))
    monkeypatch.setattr(libraries, "likely", lambda: seen)
    made = standby(house, libraries)
    await prepared(made)
    assert await made.take(seen) is not None
    assert len(house.hosts) == 1


@pytest.mark.parametrize("case", ["not wanted", "memory", "library"])
async def test_there_is_none(case: str) -> None:
    house, libraries = FakeHouse(), FakeLibraries()
    if case == "library":
        libraries.error = LibraryMissing("library.missing", looked="")
    made = standby(house, libraries, wanted=case != "not wanted", memory=1 if case == "memory" else MIN_FREE)
    await prepared(made)
    assert house.hosts == []


async def test_the_end_of_the_server_ends_it() -> None:
    house = FakeHouse()
    made = standby(house, FakeLibraries())
    await prepared(made)
    await made.end()
    assert house.hosts[0].stopped


async def test_a_load_and_a_switch_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.dispatch.lifecycle.AHEAD_AFTER_S", 0.0)
    house = FakeHouse()
    policy = Policy(0.0, 0.0, 0.0, "en", ahead=True)
    cycle = Lifecycle(FakeLibraries(), house, RamDisk(None), Crashes(Clock()), policy)
    await cycle.start()
    first = await house.host(0)
    while cycle.snapshot().ahead is None:
        await asyncio.sleep(0)
    await load(cycle, "a")
    assert len(house.hosts) == 1
    assert first.loading.is_set()
    cycle.rest()
    second = await house.host(1)
    while cycle.snapshot().ahead is None:
        await asyncio.sleep(0)
    await load(cycle, "b")
    assert (first.stopped, second.stopped, len(house.hosts)) == (True, False, 2)
    assert house.loads == ["/models/a.gguf", "/models/b.gguf"]
    await cycle.stop()
    assert second.stopped
