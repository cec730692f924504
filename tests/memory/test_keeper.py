"""Tests the keeper's process: it comes when it is needed, goes when it is not, and its end is nobody's but the
question's."""

from __future__ import annotations

import asyncio
import os
import signal
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hoshikage.errors import HoshikageError, Unavailable
from hoshikage.keeper import frames
from hoshikage.memory.keeper_process import KeeperProcess

pytestmark = [pytest.mark.process, pytest.mark.memory]


@pytest.fixture
async def keeper() -> AsyncIterator[KeeperProcess]:
    made = KeeperProcess(idle_s=0)
    yield made
    await made.stop()


async def split(keeper: KeeperProcess, *texts: str, model: str = "m") -> frames.Sentences:
    return await keeper.ask(lambda n: frames.SplitTexts(n, texts, model), frames.Sentences)


async def test_it_is_started_by_the_first_question_and_knows_what_it_was_told(keeper: KeeperProcess) -> None:
    assert keeper.pid is None
    first = await split(keeper, "One. Two.", "One.")
    assert (first.pieces, first.unknown) == ((("One.", "Two."), ("One.",)), ("One.", "Two."))
    vector = array("f", [1.0, 0.0]).tobytes()
    await keeper.ask(lambda n: frames.Learn(n, "m", ("One.",), (vector,)), frames.Done)
    assert (await split(keeper, "One. Two.")).unknown == ("Two.",)
    assert (await split(keeper, "One.", model="other")).unknown == ("One.",), "vectors of two models never meet"


async def test_questions_at_once_are_answered_each_with_its_own(keeper: KeeperProcess) -> None:
    found = await asyncio.gather(*(split(keeper, f"Number {n}.") for n in range(20)))
    assert [one.pieces for one in found] == [((f"Number {n}.",),) for n in range(20)]


async def test_what_it_cannot_do_is_told_and_it_goes_on(keeper: KeeperProcess) -> None:
    asked = (frames.Sentence("unknown", True),)
    with pytest.raises(HoshikageError) as refused:
        await keeper.ask(lambda n: frames.Choose(n, "m", asked, "clusters", 1, 1, 1), frames.ChosenSentences)
    assert refused.value.key == "remember.vector_unknown"
    assert (await split(keeper, "Still there.")).pieces == (("Still there.",),)


async def test_one_that_is_killed_fails_its_question_and_the_next_starts_another(keeper: KeeperProcess) -> None:
    await split(keeper, "a")
    assert keeper.pid is not None
    os.kill(keeper.pid, signal.SIGSTOP)  # so that the question waits
    waiting = asyncio.create_task(split(keeper, "b"))
    await asyncio.sleep(0)
    os.kill(keeper.pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await waiting
    assert (await split(keeper, "c")).pieces == (("c",),)


async def test_one_that_does_not_answer_is_not_waited_for(keeper: KeeperProcess) -> None:
    await split(keeper, "a")
    assert keeper.pid is not None
    os.kill(keeper.pid, signal.SIGSTOP)
    with pytest.raises(Unavailable) as refused:
        await keeper.ask(lambda n: frames.SplitTexts(n, ("b",), "m"), frames.Sentences, 0.05)
    assert (refused.value.key, refused.value.details) == ("remember.too_slow", {"ms": 50})
    os.kill(keeper.pid, signal.SIGCONT)
    assert (await split(keeper, "c")).pieces == (("c",),)


async def test_it_ends_when_nobody_has_asked_for_a_while() -> None:
    keeper = KeeperProcess(idle_s=0.05)
    await split(keeper, "a")
    pid = keeper.pid
    assert pid is not None
    process = keeper._process
    assert process is not None
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert keeper.pid is None
    assert (await split(keeper, "b")).pieces == (("b",),)
    await keeper.stop()


async def test_a_package_that_is_missing_is_named(keeper: KeeperProcess) -> None:
    with pytest.raises(HoshikageError) as refused:
        await keeper.ask(lambda n: frames.Encode(n, "a/b", ("x",)), frames.Vectors)
    assert refused.value.key == "remember.no_sentence_transformers"


def has_mapped(keeper: KeeperProcess, package: str) -> bool:
    return f"/{package}/" in Path(f"/proc/{keeper.pid}/maps").read_text()


async def test_what_clustering_needs_is_imported_while_the_vectors_are_made(keeper: KeeperProcess) -> None:
    vector = array("f", [1.0, 0.0]).tobytes()
    await keeper.ask(lambda n: frames.Learn(n, "m", ("One.",), (vector,)), frames.Done)
    await split(keeper, "One.")
    one = (frames.Sentence("One.", True),)
    await keeper.ask(lambda n: frames.Choose(n, "m", one, "facts", 1, 1, 1), frames.ChosenSentences)
    assert not has_mapped(keeper, "sklearn"), "only where it is asked for"
    await keeper.ask(lambda n: frames.SplitTexts(n, ("One.",), "m", clusters=True), frames.Sentences)
    await keeper.ask(lambda n: frames.Choose(n, "m", one, "facts", 1, 1, 1), frames.ChosenSentences)
    assert has_mapped(keeper, "sklearn"), "nobody has clustered yet"
