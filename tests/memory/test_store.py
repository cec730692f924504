"""Tests what is kept: each scope apart, each text once, and what is forgotten gone from the files' bytes."""

from __future__ import annotations

import json
import random
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import numpy
import pytest

from hoshikage.errors import UsageError
from hoshikage.keeper import frames
from hoshikage.memory.folder_lock import FolderLock
from hoshikage.memory.keeper_process import KeeperProcess
from tests.memory import store_killed

pytestmark = [pytest.mark.process, pytest.mark.memory]
WIDTH: Final = 16


def vector(seed: int) -> bytes:
    draw = random.Random(seed)
    numbers = [draw.gauss(0, 1) for _ in range(WIDTH)]
    length = sum(one * one for one in numbers) ** 0.5
    return struct.pack(f"<{WIDTH}f", *(one / length for one in numbers))


def record(number: int, conversation: str = "c", time: float = 0.0) -> frames.Record:
    return frames.Record(f"{number:032x}", "user", f"Secret{number}word.", time or number, conversation, vector(number))


def holds(raw: bytes, wanted: bytes) -> bool:
    """Whether the vector stands somewhere in the bytes, give or take the last bits: Chroma makes its length 1 again."""
    first, *rest = struct.unpack(f"<{WIDTH}f", wanted)
    for shift in range(4):
        numbers = numpy.frombuffer(raw[shift : shift + (len(raw) - shift) // 4 * 4], "<f4")
        with numpy.errstate(invalid="ignore", over="ignore"):
            places = numpy.flatnonzero(numpy.abs(numbers - first) < 1e-5)
        for place in places:
            window = numbers[place + 1 : place + WIDTH]
            if len(window) == len(rest) and numpy.allclose(window, rest, atol=1e-5):
                return True
    return False


class Bench:
    """This is a keeper with a store open, and short names for what it is asked."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.keeper = KeeperProcess(idle_s=0)
        self._url = url

    async def open(self) -> None:
        await self.keeper.ask(lambda n: frames.OpenStore(n, str(self.folder), self._url), frames.Done)

    async def add(self, *records: frames.Record, scope: str = "local") -> None:
        await self.keeper.ask(lambda n: frames.Remember(n, scope, "m", records), frames.Done)

    async def recall(self, seed: int, scope: str = "local", but: str = "", within: float = 2.0) -> list[str]:
        found = await self.keeper.ask(lambda n: frames.Recall(n, scope, "m", vector(seed), but, within), frames.Entries)
        return [one.text for one in found.entries]

    async def texts(self, scope: str = "") -> list[str]:
        return [one.text for one in (await self.keeper.ask(lambda n: frames.Browse(n, scope), frames.Entries)).entries]

    async def forget(self, name: str) -> int:
        gone = await self.keeper.ask(lambda n: frames.Forget(n, "local", (name,)), frames.Done)
        return gone.count

    def raw(self) -> bytes:
        return b"".join(file.read_bytes() for file in sorted(self.folder.rglob("*")) if file.is_file())


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "memory")
    await made.open()
    yield made
    await made.keeper.stop()


async def test_what_is_near_is_recalled_from_other_conversations_and_each_text_is_there_once(bench: Bench) -> None:
    await bench.add(*(record(number, f"c{number % 2}") for number in range(100)))
    await bench.add(record(7, "c1", time=1e9))
    assert (await bench.recall(7))[0] == "Secret7word."
    assert "Secret7word." not in await bench.recall(7, but="c1")
    assert await bench.recall(7, within=1e-3) == ["Secret7word."]
    texts = await bench.texts()
    assert (len(texts), texts[0]) == (100, "Secret7word."), "the newest first"


async def test_the_words_of_a_long_conversation_at_hand_do_not_hide_the_others(bench: Bench) -> None:
    own = [frames.Record(f"o{n:031x}", "user", f"Own {n}.", n, "own", vector(1)) for n in range(300)]
    await bench.add(*own, record(2, "other"))
    assert await bench.recall(1, but="own") == ["Secret2word."]


async def test_recall_is_exact_once_the_vectors_are_held_and_they_follow_what_is_kept(bench: Bench) -> None:
    await bench.add(*(record(number, "own") for number in range(1500)))
    await bench.add(record(2000, "other"))
    assert await bench.recall(3, but="own") == ["Secret2000word."], "all others stand behind 1,500 of its own"
    await bench.add(record(2001, "other"))
    await bench.add(record(3, "other", time=1e9))
    assert await bench.recall(2001, but="own", within=1e-3) == ["Secret2001word."], "kept after they were read"
    assert await bench.recall(3, but="own", within=1e-3) == ["Secret3word."], "it was said elsewhere last"
    await bench.keeper.ask(lambda n: frames.Forget(n, "local", (f"{2001:032x}",)), frames.Done)
    assert await bench.recall(2001, but="own", within=1e-3) == []
    assert await bench.recall(2000, but="own", within=1e-3) == ["Secret2000word."]


async def test_what_is_forgotten_is_gone_from_the_bytes_with_its_vector(bench: Bench) -> None:
    await bench.add(*(record(number) for number in range(1200)))
    await bench.add(record(5000), scope="token:b")
    assert b"Secret77word" in bench.raw()
    assert holds(bench.raw(), vector(77))
    assert await bench.forget(f"{77:032x}") == 1
    raw = bench.raw()
    assert b"Secret77word" not in raw
    assert not holds(raw, vector(77))
    assert b"Secret78word" in raw
    assert holds(raw, vector(78))
    assert len(await bench.texts()) == 1200
    assert (await bench.recall(78))[0] == "Secret78word."
    await bench.keeper.ask(lambda n: frames.Forget(n, "local", everything=True), frames.Done)
    assert await bench.texts() == ["Secret5000word."], "another scope's stays"
    assert b"Secret78word" not in bench.raw()


async def test_no_file_has_what_the_keeper_freed(bench: Bench) -> None:
    """Chroma's index has space for a hundred vectors; what stood in its memory before is written with it."""
    wide = numpy.ones(192, "<f4").tobytes()
    await bench.add(*(frames.Record(f"{n:032x}", "user", f"Kept{n}word.", 1.0, "c", wide) for n in range(10)))
    for turn in range(20):
        said = frames.Record(f"{100 + turn:032x}", "user", f"Secret{turn}word.", 1.0, "c", wide)
        await bench.add(said)
        await bench.forget(said.id)
        assert b"Secret" not in bench.raw()
        assert b"Kept9word" in bench.raw()


async def test_what_is_too_old_goes(bench: Bench) -> None:
    await bench.add(record(1, time=10.0), record(2, time=99.0))
    await bench.keeper.ask(lambda n: frames.Forget(n, "", before=50.0), frames.Done)
    assert await bench.texts() == ["Secret2word."]


async def test_a_conversation_is_forgotten_whole(bench: Bench) -> None:
    await bench.add(record(1, "a"), record(2, "b"), record(3, "a"))
    gone = await bench.keeper.ask(lambda n: frames.Forget(n, "local", conversation="a"), frames.Done)
    assert (gone.count, await bench.texts()) == (2, ["Secret2word."])


async def test_a_thousand_interleavings_of_tokens_never_recall_anothers_text(bench: Bench) -> None:
    draw = random.Random(11)
    scopes = [f"token:{name}" for name in "abcdef"]
    owner: dict[str, str] = {}
    for step in range(1000):
        scope = draw.choice(scopes)
        if step % 3 or not owner:
            number = draw.randrange(10**6)
            text = f"{scope} said {number}."
            owner[text] = scope
            one = frames.Record(f"{number:032x}", "user", text, step, f"c{step % 5}", vector(number % 50))
            await bench.add(one, scope=scope)
        else:
            seed = draw.randrange(50)
            assert {owner[text] for text in await bench.recall(seed, scope)} <= {scope}


def after_kills(way: str, folder: Path) -> list[dict[str, Any]]:
    """Returns what tests/memory/store_killed.py tells of each kill."""
    command = [sys.executable, "-m", "tests.memory.store_killed", way, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_kill_at_any_moment_of_keeping_loses_the_message_at_hand_at_most(tmp_path: Path) -> None:
    there = set(range(2 * store_killed.EACH))
    kills = after_kills("keep", tmp_path / "memory")
    assert len(kills) == store_killed.MOMENTS
    for kill in kills:
        found = set(kill["left"])
        batch = range(kill["batch"] * store_killed.EACH, (kill["batch"] + 1) * store_killed.EACH)
        assert there <= found <= there.union(batch)
        assert kill["status"] == -signal.SIGALRM or found.issuperset(batch), "what was confirmed is there"
        there = found
    assert sum(kill["status"] == -signal.SIGALRM for kill in kills) > store_killed.MOMENTS // 4


def test_a_kill_at_any_step_of_forgetting_leaves_the_old_or_the_new_store_whole(tmp_path: Path) -> None:
    whole = list(range(store_killed.EACH))
    kills = after_kills("forget", tmp_path)
    assert [kill["status"] for kill in kills] == [9] * (len(kills) - 1) + [0]
    assert len(kills) > 10, "many steps"
    done = [kill["left"] == whole[1:] for kill in kills]
    assert [kill["left"] for kill in kills] == [whole[1:] if one else whole for one in done]
    assert done == sorted(done), "at some step it is done, and stays so"
    assert (done[0], done[-1]) == (False, True)
    assert {kill["stores"] for kill in kills} == {1}, "nothing of the other store is left behind"


def test_two_servers_on_one_folder_are_refused_with_words(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "memory"), FolderLock(tmp_path / "memory")
    first.take()
    with pytest.raises(UsageError) as refused:
        second.take()
    assert (refused.value.key, refused.value.details["folder"]) == ("remember.folder_busy", str(tmp_path / "memory"))
    first.release()
    second.take()
    second.release()
