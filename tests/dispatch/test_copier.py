"""Tests the copy made behind a load: when it is made and when not, and what meets it in the midst."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from hoshikage.dispatch.copier import COPY_AFTER_S, Copier
from hoshikage.dispatch.copy_worth import DiskFacts
from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.lifecycle import Lifecycle, Policy
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.ramdisk import MemoryState, RamDisk
from hoshikage.params import LoadParams
from tests.dispatch.fake_host import FakeHouse, FakeLibraries
from tests.dispatch.test_lifecycle import Clock, MovedLoop

CHUNK: Final = 64 * 1024
CONTENT: Final = bytes(range(256)) * 1024
"""These are four chunks."""
SLOW: Final = DiskFacts(2**40, "ext4", 2.0**27, 1.0, False, 2**50)
FAST: Final = replace(SLOW, rate=2.0**40)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "shm"
    folder.mkdir(0o700)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "a.gguf"
    file.write_bytes(CONTENT)
    return file


class Scene:
    """This is a copier over a real RAM disk, whose clock the test moves."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, facts: DiskFacts = SLOW) -> None:
        plenty = MemoryState(platform="linux", free_bytes=lambda _: 2**50, available_memory=lambda: 2**50, chunk=CHUNK)
        self.root, self.facts, self.measured = root, facts, list[tuple[Path, bool]]()
        self.disk = RamDisk(root, plenty)
        self.copier = Copier(self.disk, "en", measure=self._measure)
        self.clock = MovedLoop(monkeypatch)
        self._monkeypatch = monkeypatch

    def _measure(self, file: Path, came_cold: bool, may_go_on: Callable[[], bool]) -> DiskFacts:
        self.measured.append((file, came_cold))
        assert may_go_on()
        return self.facts

    async def load(self, file: Path) -> Path:
        self.copier.hold()
        found = await self.copier.find(file)
        self.copier.loaded(file)
        return found

    def rest(self) -> None:
        self.copier.rest()
        self.clock.fire(COPY_AFTER_S)

    async def cleared(self) -> None:
        """Once what nobody uses any more is gone."""
        clearing = vars(self.copier)["_clearing"]
        assert clearing is not None
        await clearing

    async def copied(self) -> None:
        """Once the copy that is being made has ended."""
        job = vars(self.copier)["_job"]
        if job is not None:
            await job.task

    def state(self) -> tuple[str, str | None]:
        status = self.copier.status()
        return status.state, status.why

    def entries(self) -> list[str]:
        return sorted(entry.name[:5] for folder in self.root.iterdir() for entry in folder.iterdir())

    async def in_the_midst(self) -> asyncio.Event:
        """Lets a copy begin, and holds its thread behind the first chunk until the event is set."""
        loop, reached, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
        original = os.sendfile

        def sendfile(*arguments: int) -> int:
            sent = original(*arguments)
            loop.call_soon_threadsafe(reached.set)
            assert go_on.wait(30)
            return sent

        self._monkeypatch.setattr(os, "sendfile", sendfile)
        self.rest()
        await reached.wait()
        gate = asyncio.Event()

        async def release() -> None:
            await gate.wait()
            go_on.set()

        self._releasing = asyncio.create_task(release())
        return gate


@pytest.fixture
async def scene(root: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    made = Scene(root, monkeypatch)
    yield made
    await made.copier.release(None)
    assert made.copier.held is None


async def test_the_first_load_is_the_disks_the_copy_is_made_behind_it_and_the_next_load_takes_it(
    scene: Scene, root: Path, model: Path
) -> None:
    assert scene.state() == ("none", None)
    assert await scene.load(model) == model
    assert scene.state() == ("waiting", None)
    assert list(root.iterdir()) == [], "a load makes nothing"
    scene.rest()
    await scene.copied()
    assert scene.state() == ("held", "slow")
    assert scene.copier.status().read_mib_s == 128.0
    found = await scene.load(model)
    assert found != model
    assert found.read_bytes() == CONTENT
    scene.copier.rest()
    assert scene.measured == [(model, False)], "a load from the copy asks for no other"


async def test_a_copy_that_brings_nothing_is_not_made(scene: Scene, root: Path, model: Path) -> None:
    scene.facts = FAST
    await scene.load(model)
    scene.rest()
    await scene.copied()
    assert scene.state() == ("unneeded", "fast")
    assert list(root.iterdir()) == []
    assert await scene.load(model) == model


async def test_the_next_server_goes_on_telling_why_there_is_no_copy(scene: Scene, model: Path, tmp_path: Path) -> None:
    scene.facts = FAST
    await scene.load(model)
    scene.rest()
    await scene.copied()
    after = Copier(scene.disk, "en")
    after.restore(scene.copier.kept_state())
    assert after.status() == scene.copier.status()
    after.loaded(tmp_path / "other.gguf")
    assert after.status().state == "waiting", "of another model nothing is known"


async def test_a_model_that_stays_loaded_gets_none(scene: Scene, root: Path, model: Path) -> None:
    await scene.load(model)
    scene.copier.rest(stays=model)
    assert scene.state() == ("unneeded", "stays")
    assert (scene.measured, scene.clock.timers) == ([], [])


async def test_a_ram_disk_of_ones_own_has_every_model(root: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(root, monkeypatch, FAST)
    scene.copier = Copier(scene.disk, "en", always=True)
    await scene.load(model)
    scene.copier.rest(stays=model)
    scene.clock.fire(COPY_AFTER_S)
    await scene.copied()
    assert scene.state() == ("held", "asked")
    await scene.copier.release(None)
    assert scene.entries() == []


async def test_nothing_is_copied_while_another_lane_is_busy(scene: Scene, model: Path) -> None:
    scene.copier.may_run = lambda: False
    await scene.load(model)
    scene.rest()
    assert scene.state() == ("waiting", None)
    scene.copier.may_run = lambda: True
    scene.rest()
    await scene.copied()
    assert scene.state() == ("held", "slow")


async def test_a_request_pauses_the_copy_and_a_load_of_the_same_model_does_not_wait_for_it(
    scene: Scene, model: Path
) -> None:
    await scene.load(model)
    gate = await scene.in_the_midst()
    assert scene.state() == ("copying", "slow")
    scene.copier.hold()
    gate.set()
    assert scene.state() == ("paused", "slow")
    assert await scene.load(model) == model, "half a copy is not used"
    assert scene.state() == ("paused", "slow")
    assert scene.entries() == ["part-"]
    scene.rest()
    await scene.copied()
    assert scene.state() == ("held", "slow")
    assert (await scene.load(model)).read_bytes() == CONTENT
    assert len(scene.measured) == 1


async def test_a_load_of_another_model_gives_the_copy_up(scene: Scene, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "b.gguf"
    other.write_bytes(b"other")
    await scene.load(model)
    gate = await scene.in_the_midst()
    given_up = vars(scene.copier)["_job"].task
    assert await scene.load(other) == other, "which is not waited for"
    gate.set()
    await given_up
    assert scene.entries() == []
    scene.rest()
    await scene.copied()
    assert await scene.load(other) != other
    assert await scene.load(model) == model
    await scene.cleared()
    assert scene.entries() == []


async def test_the_memory_that_a_copy_has_taken_goes_back_in_the_midst_of_it(scene: Scene, model: Path) -> None:
    await scene.load(model)
    gate = await scene.in_the_midst()
    releasing = asyncio.create_task(scene.copier.release(model))
    gate.set()
    await releasing
    assert scene.entries() == []
    assert scene.state()[0] == "none"


async def test_another_lanes_copy_is_let_be(scene: Scene, model: Path, tmp_path: Path) -> None:
    await scene.load(model)
    gate = await scene.in_the_midst()
    await scene.copier.release(tmp_path / "other.gguf")
    assert scene.state() == ("copying", "slow")
    gate.set()
    await scene.copied()
    await scene.copier.release(tmp_path / "other.gguf")
    assert scene.state() == ("held", "slow")
    await scene.copier.release(model)
    assert scene.entries() == []


async def test_a_model_that_changes_in_the_midst_is_loaded_from_the_disk(scene: Scene, model: Path) -> None:
    await scene.load(model)
    gate = await scene.in_the_midst()
    with model.open("r+b") as stream:
        stream.write(b"other")
    gate.set()
    await scene.copied()
    assert scene.state() == ("failed", "changed")
    assert scene.entries() == []
    assert await scene.load(model) == model
    scene.rest()
    await scene.copied()
    assert (await scene.load(model)).read_bytes() == model.read_bytes()


async def test_a_copy_is_stale_once_its_model_has_changed(scene: Scene, model: Path) -> None:
    await scene.load(model)
    scene.rest()
    await scene.copied()
    model.write_bytes(b"new")
    assert await scene.load(model) == model
    await scene.cleared()
    assert scene.entries() == []


async def test_a_full_ram_disk_means_the_disk(scene: Scene, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    await scene.load(model)
    scene.rest()
    await scene.copied()
    assert scene.state() == ("failed", "no_room")
    assert scene.entries() == []
    assert await scene.load(model) == model


async def test_a_file_that_went_meanwhile_is_no_copy(scene: Scene, model: Path) -> None:
    await scene.load(model)
    model.unlink()
    scene.rest()
    await scene.copied()
    assert scene.state()[0] == "failed"


async def test_a_file_that_the_page_cache_has_lost_is_told_at_its_next_load(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "big.gguf"
    file.write_bytes(CONTENT * 8)
    scene.facts = FAST
    await scene.load(file)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    await scene.load(file)
    scene.rest()
    await scene.copied()
    assert scene.measured == [(file, True)]


async def test_a_lane_holds_the_copying_from_its_first_request_to_its_rest(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(root, monkeypatch)
    house, wanted = FakeHouse(), WantedLoad("a", LoadParams(str(model)), (1, 2, 3))
    policy = Policy(300.0, 3600.0, 0.0, "en")
    cycle = Lifecycle(FakeLibraries(), house, scene.disk, Crashes(Clock()), policy, None, scene.copier)
    assert [note async for note in cycle.ready(wanted)] == []
    assert cycle.snapshot().copy.state == "waiting"
    cycle.rest()
    scene.clock.fire(COPY_AFTER_S)
    await scene.copied()
    assert cycle.snapshot().copy.state == "held"
    scene.clock.fire(300.0)
    await vars(cycle)["_ending"]
    assert [note async for note in cycle.ready(wanted)] == []
    assert house.loads[0] == str(model)
    assert house.loads[1].startswith(str(root))
    cycle.rest()
    scene.clock.fire(300.0)
    await vars(cycle)["_ending"]
    scene.clock.fire(3600.0)
    await vars(cycle)["_ending"]
    assert scene.entries() == []
    assert cycle.snapshot().copy.state == "none"


async def test_without_a_ram_disk_nothing_is_looked_at(model: Path) -> None:
    copier = Copier(RamDisk(None), "en")
    assert await copier.find(model) == model
    copier.loaded(model)
    copier.rest()
    assert copier.status().state == "off"
