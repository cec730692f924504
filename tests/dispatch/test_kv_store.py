"""Tests what is put away: made last as a whole, bounded, found again, and given to nobody else."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hoshikage import kv_file, wire
from hoshikage.dispatch import kv_files, kv_store
from hoshikage.dispatch.kv_files import FolderFiles, MemoryFiles, StateFiles, TemporaryFiles
from hoshikage.dispatch.kv_store import KvStore, Shelf
from hoshikage.messages import LANGUAGES, Language, text
from hoshikage.params import LoadParams
from tests.dispatch.fake_host import choice

PLENTY = 2**40


def places(folder: Path) -> dict[str, Callable[[], StateFiles]]:
    made: dict[str, Callable[[], StateFiles]] = {"folder": lambda: FolderFiles(folder), "temporary": TemporaryFiles}
    if sys.platform == "linux":
        made["memory"] = lambda: MemoryFiles(lambda: PLENTY)
    return made


@pytest.fixture(params=sorted(places(Path())))
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateFiles]:
    result = places(tmp_path / "kv")[request.param]()
    yield result
    result.close()


@pytest.fixture
def params(tmp_path: Path) -> LoadParams:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    return LoadParams(str(model), n_parallel=2)


async def shelf_of(store: KvStore, params: LoadParams, library: str = "one") -> Shelf:
    result = await store.shelf(choice(library), params)
    assert result is not None
    return result


async def put_away(shelf: Shelf, *texts: tuple[str, list[int]], size: int = 100) -> None:
    """Puts texts away as a runner does: each text is a scope and tokens."""
    command = await shelf.make()
    assert command is not None
    written = []
    for path, (scope, tokens) in zip(command.paths, texts, strict=False):
        kv_file.write(path, shelf.frame.key, scope, tokens, bytes(size))
        written.append(path)
    shelf.take_in(wire.PutAwayDone(tuple(written), ()))


def stored(shelf: Shelf) -> list[tuple[str, list[int]]]:
    """Returns what a runner reads, the newest first."""
    headers = [kv_file.read_header(path) for path in shelf.frame.paths]
    return [(header.scope, kv_file.unpacked(header.tokens)) for header in headers]


async def test_the_next_load_of_the_same_is_given_what_was_put_away(files: StateFiles, params: LoadParams) -> None:
    store = KvStore(files, 10_000, 0.0)
    shelf = await shelf_of(store, params)
    assert shelf.frame.paths == ()
    await put_away(shelf, ("a", [1, 2]), ("b", [3]))
    again = await shelf_of(store, params)
    assert sorted(stored(again)) == [("a", [1, 2]), ("b", [3])]
    assert [kv_file.read_state(path, kv_file.read_header(path)) for path in again.frame.paths] == [bytes(100)] * 2
    assert (await shelf_of(store, params, "another library")).frame.paths == ()
    assert (await shelf_of(store, replace(params, type_k="q8_0"))).frame.paths == ()
    assert len(store.rows()) == 2


async def test_what_goes_on_from_another_takes_its_place(files: StateFiles, params: LoadParams) -> None:
    store = KvStore(files, 10_000, 0.0)
    await put_away(await shelf_of(store, params), ("a", [1, 2]), ("b", [1, 2]))
    await put_away(await shelf_of(store, params), ("a", [1, 2, 3]), ("b", [2, 2]))
    assert sorted(stored(await shelf_of(store, params))) == [("a", [1, 2, 3]), ("b", [1, 2]), ("b", [2, 2])]


async def test_the_oldest_goes_where_the_bound_is_reached(files: StateFiles, params: LoadParams) -> None:
    store = KvStore(files, 1000, 0.0)
    for number in range(4):
        await put_away(await shelf_of(store, params), ("a", [number]), size=300)
        await store.settled()
        for row in store.rows():
            if isinstance(files, FolderFiles):
                os.utime(row.path, (row.saved_at - 10, row.saved_at - 10))
    assert sorted(stored(await shelf_of(store, params))) == [("a", [2]), ("a", [3])]
    assert sum(row.size for row in store.rows()) <= 1000


async def test_what_nobody_went_on_with_for_too_long_goes(files: StateFiles, params: LoadParams) -> None:
    now = time.time()
    store = KvStore(files, 10_000, 60.0, lambda: now)
    await put_away(await shelf_of(store, params), ("a", [1]))
    now += 59
    shelf = await shelf_of(store, params)
    assert len(shelf.frame.paths) == 1
    now += 3
    assert (await shelf_of(store, params)).frame.paths == ()
    assert store.rows() == []


async def test_what_a_runner_kept_as_it_was_counts_as_new(files: StateFiles, params: LoadParams) -> None:
    store = KvStore(files, 10_000, 60.0)
    await put_away(await shelf_of(store, params), ("a", [1]))
    await store.settled()
    if isinstance(files, FolderFiles):
        os.utime(store.rows()[0].path, (time.time() - 50, time.time() - 50))
    before = store.rows()[0].saved_at
    shelf = await shelf_of(store, params)
    assert await shelf.make() is not None
    shelf.take_in(wire.PutAwayDone((), shelf.frame.paths))
    assert (await shelf_of(store, params)).frame.paths == shelf.frame.paths
    assert store.rows()[0].saved_at > before


async def test_a_runner_can_name_no_file_but_its_own(files: StateFiles, params: LoadParams, tmp_path: Path) -> None:
    store, foreign = KvStore(files, 10_000, 0.0), tmp_path / "precious"
    foreign.write_bytes(b"words")
    await put_away(await shelf_of(store, params), ("a", [1]))
    await store.settled()
    other = await shelf_of(store, replace(params, type_k="q8_0"))
    assert await other.make() is not None
    (row,) = store.rows()
    other.lost(row.path)
    other.lost(str(foreign))
    other.take_in(wire.PutAwayDone((row.path, str(foreign)), (str(foreign),)))
    await store.settled()
    again = await shelf_of(store, params)
    assert stored(again) == [("a", [1])]
    assert foreign.read_bytes() == b"words"
    again.lost(row.path)
    assert (await shelf_of(store, params)).frame.paths == ()


async def test_what_a_runner_did_not_finish_is_removed(files: StateFiles, params: LoadParams) -> None:
    store = KvStore(files, 10_000, 0.0)
    shelf = await shelf_of(store, params)
    command = await shelf.make()
    assert command is not None
    Path(command.paths[0]).write_bytes(b"half")
    shelf.take_in(wire.PutAwayDone(command.paths[:1], ()))
    assert (await shelf_of(store, params)).frame.paths == ()
    assert not any(Path(path).exists() for path in command.paths)


async def test_clearing_leaves_nothing(files: StateFiles, params: LoadParams) -> None:
    store = KvStore(files, 10_000, 0.0)
    await put_away(await shelf_of(store, params), ("a", [1]), ("b", [2]))
    shelf = await shelf_of(store, params)
    assert len(store.clear()) == 2
    assert store.rows() == []
    assert not any(Path(path).exists() for path in shelf.frame.paths)


async def test_nothing_is_put_away_where_there_is_no_room(params: LoadParams) -> None:
    store = KvStore(MemoryFiles(lambda: kv_files.MARGIN), 10_000, 0.0)
    assert await (await shelf_of(store, params)).make() is None


async def test_memory_goes_with_the_server_and_the_disk_stays(tmp_path: Path, params: LoadParams) -> None:
    disk = kv_store.folder_store(tmp_path, 10_000, 0.0)
    await put_away(await shelf_of(disk, params), ("a", [1]))
    disk.stop_taking()
    assert await (await shelf_of(disk, params)).make() is not None
    for made in (True, False):
        memory = kv_store.memory_store(10_000, 0.0, unnamed=made and sys.platform == "linux")
        await put_away(await shelf_of(memory, params), ("a", [1]))
        shelf = await shelf_of(memory, params)
        memory.stop_taking()
        assert await shelf.make() is None
        await memory.let_go()
        assert memory.rows() == []
        assert not Path(shelf.frame.paths[0]).exists()
    await disk.let_go()
    assert len(disk.rows()) == 1


# Windows keeps the profile's folders to their user by itself, with lists that are no modes.
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_only_the_owner_can_read_what_is_written(tmp_path: Path, params: LoadParams) -> None:
    store = kv_store.folder_store(tmp_path, 10_000, 0.0)
    mask = os.umask(0)
    try:
        shelf = await shelf_of(store, params)
        await put_away(shelf, ("a", [1]))
        await store.let_go()
    finally:
        os.umask(mask)
    (file,) = (tmp_path / "kv").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_file_that_is_of_no_use_is_removed_with_one_line(
    language: Language, tmp_path: Path, params: LoadParams, caplog: pytest.LogCaptureFixture
) -> None:
    store = KvStore(FolderFiles(tmp_path), 10_000, 0.0, language=language)
    shelf = await store.shelf(choice("one"), params)
    assert shelf is not None
    file = tmp_path / f"{shelf.frame.key}-{'0' * 16}.kv"
    file.write_bytes(b"damaged")
    again = await store.shelf(choice("one"), params)
    assert again is not None
    again.lost(str(file))
    await store.settled()
    assert not file.exists()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        text(language, "dispatch.log_kv_damaged", file=str(file))
    ]


# As above: the folder of a Windows profile is its user's, and no mode of it could be looked at.
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(
    ("mode", "linked", "key"),
    [(0o700, False, ""), (0o755, False, ""), (0o777, False, "open"), (0o700, True, "link"), (0o770, True, "open")],
)
def test_a_folder_that_others_may_write_to_is_not_used_and_a_link_is_told(
    mode: int, linked: bool, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "cache" / "kv"
    real = tmp_path / "elsewhere" if linked else place
    real.mkdir(parents=True)
    real.chmod(mode)
    if linked:
        place.parent.mkdir()
        place.symlink_to(real)
    store = kv_store.own_folder_store(place.parent, 10_000, 0.0, "en")
    assert (store is None) is (key == "open")
    details = {"folder": str(place), "target": str(real)}
    assert [record.getMessage() for record in caplog.records] == (
        [text("en", f"dispatch.log_kv_{key}", **details)] if key else []
    )


def test_a_folder_that_is_not_there_yet_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    store = kv_store.own_folder_store(tmp_path, 10_000, 0.0, "en")
    assert store is not None
    assert store.make(0) is not None
    assert stat.S_IMODE((tmp_path / "kv").stat().st_mode) == 0o700


def test_a_part_that_nobody_fills_any_more_is_swept(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path)
    old, new = Path(files.make()), Path(files.make())
    foreign = tmp_path / "notes.txt"
    for file in (old, foreign):
        file.touch()
        os.utime(file, (time.time() - 2 * kv_files.PART_S,) * 2)
    assert files.files() == []
    assert not old.exists()
    assert new.exists()
    assert foreign.exists()


@pytest.mark.process
def test_a_server_killed_at_any_step_leaves_whole_files_alone(tmp_path: Path) -> None:
    """Every open, rename and removal of taking a sequence in is once the last."""
    step, ended = 0, 9
    while ended == 9:
        folder = tmp_path / str(step)
        command = [sys.executable, "-m", "tests.dispatch.kv_killed", str(folder), str(step)]
        ended = subprocess.run(command, check=False, timeout=60).returncode
        rows = FolderFiles(folder).files()
        headers = [kv_file.read_header(row.path) for row in rows]
        assert all(kv_file.read_state(row.path, header) for row, header in zip(rows, headers, strict=True))
        tokens = sorted(kv_file.unpacked(header.tokens) for header in headers)
        assert tokens in ([[1, 2]], [[1, 2, 3]], [[1, 2], [1, 2, 3]]), step
        step += 1
    assert ended == 0
    assert step > 5
    assert tokens == [[1, 2, 3]]


def test_two_stores_on_one_folder_do_not_hinder_each_other(tmp_path: Path, params: LoadParams) -> None:
    async def run() -> None:
        stores = [kv_store.folder_store(tmp_path, 10_000, 0.0) for _ in range(2)]
        shelves = [await shelf_of(store, params) for store in stores]
        await asyncio.gather(*(put_away(shelf, (str(at), [at])) for at, shelf in enumerate(shelves)))
        for store in stores:
            await store.let_go()
        assert len(stores[0].clear()) == 2
        assert stores[1].clear() == []

    asyncio.run(run())
