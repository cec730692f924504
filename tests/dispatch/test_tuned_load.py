"""Tests a load with settings that were chosen by measuring: what reaches the runner, and what is stored of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage import wire
from hoshikage.dispatch import kv_store, tuned
from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.lifecycle import Lifecycle, Policy
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.params import LoadParams
from hoshikage.registry.tuned import Tuned
from tests.dispatch.fake_host import FakeHouse, FakeLibraries
from tests.dispatch.test_lifecycle import Clock


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"GGUF")
    return file


async def loaded(model: Path, library: str | None) -> wire.Load:
    """Returns what the runner is sent, where a choice was made with this library."""
    house = FakeHouse()
    chosen = None
    if library is not None:
        values = (("n_threads", 3), ("type_k", "q8_0"), ("type_v", "q8_0"))
        chosen = Tuned(library, "v0.5.0", tuned.machine(()), 4, 1, values, 1)
    store = kv_store.memory_store(2**20, 60.0, unnamed=True)
    cycle = Lifecycle(
        FakeLibraries("library 1"),
        house,
        RamDisk(None),
        Crashes(Clock()),
        Policy(0.0, 0.0, 0.0, "en"),
        store=store,
    )
    wanted = WantedLoad("a", LoadParams(str(model)), (1, 2, 3), chosen)
    assert [note async for note in cycle.ready(wanted)] == []
    (command,) = house.hosts[0].commands
    await store.let_go()
    assert isinstance(command, wire.Load)
    return command


async def test_the_choice_reaches_the_runner_where_it_holds(model: Path) -> None:
    plain, held, void = [await loaded(model, library) for library in (None, "library 1", "library 2")]
    assert (held.params.n_threads, held.params.type_k, held.params.type_v) == (3, "q8_0", "q8_0")
    assert plain.params == void.params
    assert (plain.params.n_threads, plain.params.type_k) == (0, "f16")


async def test_what_is_stored_with_other_settings_is_not_taken_back(model: Path) -> None:
    plain, held, void = [await loaded(model, library) for library in (None, "library 1", "library 2")]
    assert plain.store is not None
    assert held.store is not None
    assert void.store is not None
    assert plain.store.key == void.store.key != held.store.key
