"""Tests long conversations made short, by a real embedding model and the real keeper."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from hoshikage.dispatch import making
from hoshikage.memory.service import Memory
from hoshikage.memory.summary import Condensed, language_of
from hoshikage.params import ChatPrompt, Message
from hoshikage.registry import Registry
from hoshikage.settings import load

pytestmark = [pytest.mark.process, pytest.mark.memory]
SYSTEM: Final = Message("system", "Be brief.")
CALLED: Final = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}


def talk(count: int) -> list[Message]:
    turns = [SYSTEM]
    for number in range(count):
        turns.append(Message("user", f"The number of box {number} is {number * 37}. What do you think of that?"))
        turns.append(Message("assistant", f"Box {number} is fine. There is much to say about boxes."))
    return turns


@pytest.fixture
def registry(tmp_path: Path, demo_model: Path) -> Registry:
    made = Registry(tmp_path / "model_map.json")
    made.add("embedder", demo_model)
    return made


@pytest.fixture
async def memory(registry: Registry, library_file: Path, tmp_path: Path) -> AsyncIterator[Memory]:
    environ = {"HOSHIKAGE_LIB_PATH": str(library_file), "EMBEDDING_MODEL": "embedder", "CLUSTER_DIVISOR": "20"}
    settings = load({}, {**environ, "RUNNER_AHEAD": "off"}, tmp_path).settings
    dispatcher = making.create(settings, environ)
    made = Memory(settings, dispatcher, registry)
    yield made
    await made.stop()
    await dispatcher.stop()


async def count(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


async def condensed(memory: Memory, turns: Sequence[Message], n_ctx: int = 1200) -> Condensed | None:
    return await memory.summaries.condense(ChatPrompt(tuple(turns)), "", n_ctx, count, "")


async def test_old_turns_make_way_for_a_digest_of_their_own_words(memory: Memory) -> None:
    turns = [*talk(40), Message("user", "And now?")]
    made = await condensed(memory, turns)
    assert made is not None
    first, digest, *rest = made.prompt.messages
    assert (first, digest.role) == (SYSTEM, "user")
    assert rest == turns[-len(rest) :], "what is new stays word for word"
    assert made.turns == len(turns) - 1 - len(rest)
    assert digest.content is not None
    head, *lines, last = digest.content.splitlines()
    assert (str(made.turns) in head, last) == (True, "[End of the digest]")
    said = [line for line in lines if line not in ("User:", "Assistant:")]
    old = "\n".join(turn.content or "" for turn in turns[1 : 1 + made.turns])
    assert said
    assert [line for line in said if line not in old] == []
    assert [old.rindex(line) for line in said] == sorted(old.rindex(line) for line in said), "in order of time"


async def test_the_digest_is_the_same_from_turn_to_turn_until_the_next_step(memory: Memory) -> None:
    found = []
    for length in range(38, 62):
        made = await condensed(memory, talk(length)[:-1])
        assert made is not None
        found.append((made.turns, made.prompt.messages[1].content))
    steps = list(dict.fromkeys(found))
    assert 2 <= len(steps) <= 4
    assert [turns for turns, _ in steps] == sorted(turns for turns, _ in steps)
    again = await condensed(memory, talk(38)[:-1])
    assert again is not None
    assert again.prompt.messages[1].content == found[0][1]


async def test_what_is_short_is_left_alone_and_wakes_nothing(memory: Memory) -> None:
    assert await condensed(memory, talk(3)) is None
    assert await condensed(memory, talk(20), n_ctx=100_000) is None
    assert memory.keeper.pid is None


async def test_calls_and_what_came_of_them_do_not_stand_in_the_digest(memory: Memory) -> None:
    turns = talk(40)
    turns[5:5] = [
        Message("user", "Look it up."),
        Message("assistant", "Looking.", CALLED),
        Message("tool", "Found 99."),
    ]
    made = await condensed(memory, [*turns, Message("user", "And now?")])
    assert made is not None
    digest = made.prompt.messages[1].content or ""
    assert "Looking." not in digest
    assert "Found 99." not in digest


async def test_the_marks_are_in_the_language_of_the_conversation() -> None:
    assert (language_of(["My cat is called ミケ, you know."]), language_of(["猫のMikanは三歳です。"])) == ("en", "ja")
