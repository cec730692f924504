"""How a runner is asked to put its sequences away before it is ended, and what becomes of one that does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hoshikage import kv_file, wire
from hoshikage.dispatch import runner as runner_module
from hoshikage.dispatch.kv_files import FolderFiles
from hoshikage.dispatch.kv_store import KvStore, Shelf
from hoshikage.dispatch.runner import Runner
from hoshikage.errors import ShuttingDown
from hoshikage.params import LoadParams
from tests.dispatch.fake_host import FakeHost, FakeHouse, choice

END = ShuttingDown("dispatch.shutting_down")


class Kept:
    """This is a loaded runner, and the store that it was loaded with."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "model.gguf"
        self.model.write_bytes(b"GGUF")
        self.store = KvStore(FolderFiles(folder / "kv"), 10_000, 0.0)
        self.house = FakeHouse()
        self.runner = Runner(self.house, Path("one.so"), 0.0, lambda _progress: None, lambda _gone: None)

    async def load(self) -> FakeHost:
        await self.runner.start()
        await self.runner.load(LoadParams(str(self.model)), await self.shelf())
        return await self.house.host(0)

    async def shelf(self) -> Shelf:
        result = await self.store.shelf(choice("one"), LoadParams(str(self.model)))
        assert result is not None
        return result

    async def asked(self, host: FakeHost) -> wire.PutAway:
        """Returns what the host is asked for; it is not stopped before that."""
        while not isinstance(host.commands[-1], wire.PutAway):
            assert not host.stopped
            await asyncio.to_thread(lambda: None)
        return host.commands[-1]


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


async def test_it_is_ended_when_it_has_put_everything_away(kept: Kept) -> None:
    host = await kept.load()
    ending = asyncio.create_task(kept.runner.stop(END))
    command = await kept.asked(host)
    kv_file.write(command.paths[0], (await kept.shelf()).frame.key, "", [1, 2], b"state")
    host.emit(wire.PutAwayDone(command.paths[:1], ()))
    await ending
    assert host.stopped
    assert len((await kept.shelf()).frame.paths) == 1


async def test_one_that_is_too_slow_is_ended_all_the_same(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "PUT_AWAY_S", 0.05)
    host = await kept.load()
    await kept.runner.stop(END)
    assert host.stopped
    assert isinstance(host.commands[-1], wire.PutAway)
    assert (await kept.shelf()).frame.paths == ()
    assert [*kept.model.with_name("kv").iterdir()] == []


async def test_one_that_crashes_over_it_leaves_nothing(kept: Kept) -> None:
    host = await kept.load()
    ending = asyncio.create_task(kept.runner.stop(END))
    command = await kept.asked(host)
    Path(command.paths[0]).write_bytes(b"half")
    host.crash()
    await ending
    assert (await kept.shelf()).frame.paths == ()
    assert [*kept.model.with_name("kv").iterdir()] == []


async def test_one_that_never_loaded_is_not_asked(kept: Kept) -> None:
    kept.house.hold_load = True
    await kept.runner.start()
    loading = asyncio.create_task(kept.runner.load(LoadParams(str(kept.model)), await kept.shelf()))
    await kept.house.load_began.wait()
    host = await kept.house.host(0)
    await kept.runner.stop(END)
    with pytest.raises(ShuttingDown):
        await loading
    assert not any(isinstance(command, wire.PutAway) for command in host.commands)


async def test_a_file_that_it_finds_useless_is_removed(kept: Kept) -> None:
    shelf = await kept.shelf()
    command = await shelf.make()
    assert command is not None
    kv_file.write(command.paths[0], shelf.frame.key, "", [1], b"state")
    shelf.take_in(wire.PutAwayDone(command.paths, ()))
    host = await kept.load()
    load = next(one for one in host.commands if isinstance(one, wire.Load))
    assert load.store is not None
    (path,) = load.store.paths
    host.emit(wire.StateLost(path))
    await kept.store.settled()
    assert not Path(path).exists()
