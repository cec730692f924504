"""Tests exchanges, the steps in which a conversation is condensed, and the prompt with a digest in it."""

from __future__ import annotations

import random
from typing import Final

from hoshikage.memory.conversation import condensed_count, conversation_of, digest_of
from hoshikage.params import Message

CALL: Final = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
TURNS: Final = (
    Message("system", "s0"),
    Message("user", "u0"),
    Message("assistant", None, CALL),
    Message("tool", "found", {"tool_call_id": "1"}),
    Message("assistant", "a0"),
    Message("system", "s1"),
    Message("user", "u1"),
    Message("assistant", "a1"),
    Message("user", "u2"),
)


def test_an_exchange_is_what_a_user_said_with_all_that_came_of_it() -> None:
    found = conversation_of(TURNS)
    assert [[turn.role for turn in one.messages] for one in found.exchanges] == [
        ["user", "assistant", "tool", "assistant"],
        ["user", "assistant"],
        ["user"],
    ]
    assert [(before, turn.content) for before, turn in found.systems] == [(0, "s0"), (1, "s1")]


def test_calls_and_their_results_are_left_out_whole() -> None:
    assert [turn.content for turn in conversation_of(TURNS).exchanges[0].spoken()] == ["u0", "a0"]


def test_a_greeting_belongs_to_the_first_exchange_and_two_turns_of_a_user_to_one() -> None:
    found = conversation_of([Message("assistant", "hi"), Message("user", "a"), Message("user", "b")])
    assert [[turn.content for turn in one.messages] for one in found.exchanges] == [["hi"], ["a", "b"]]


def test_the_digest_stands_behind_the_system_texts_of_its_time_and_no_other_word_is_lost() -> None:
    digest = Message("user", "digest")
    conversation = conversation_of(TURNS)
    contents = [[turn.content for turn in conversation.with_digest(old, digest)] for old in (1, 2)]
    assert contents == [["s0", "s1", "digest", "u1", "a1", "u2"], ["s0", "s1", "digest", "u2"]]
    late = conversation_of((*TURNS, Message("system", "s3"), Message("user", "u3"), Message("system", "s4")))
    assert [turn.content for turn in late.with_digest(1, digest)] == [
        "s0", "s1", "digest", "u1", "a1", "u2", "s3", "u3", "s4",
    ]  # fmt: skip


def test_what_fits_is_left_as_it_is() -> None:
    assert condensed_count([10] * 10, fixed=0, digest=25, room=100, raw=3) == 0


def test_all_but_the_last_exchanges_are_condensed_when_one_no_longer_fits() -> None:
    assert condensed_count([10] * 11, fixed=0, digest=25, room=100, raw=3) == 8
    assert condensed_count([10] * 15, fixed=0, digest=25, room=100, raw=3) == 8, "the digest stays while there is room"
    assert condensed_count([10] * 16, fixed=0, digest=25, room=100, raw=3) == 13


def test_a_growing_conversation_is_condensed_in_steps_that_never_go_back() -> None:
    draw = random.Random(5)
    for _ in range(200):
        sizes = [draw.randint(1, 60) for _ in range(draw.randint(1, 80))]
        room, raw = draw.randint(100, 400), draw.randint(1, 4)
        steps = [condensed_count(sizes[:n], 10, room // 4, room, raw) for n in range(1, len(sizes) + 1)]
        assert steps == sorted(steps)
        assert all(n + 1 - step >= raw or step == 0 for n, step in enumerate(steps)), "the last ones stay as they are"


def test_few_steps_in_a_long_conversation() -> None:
    steps = [condensed_count([20] * n, 50, 250, 1000, 3) for n in range(1, 201)]
    assert len(set(steps)) < 10


def test_parts_of_a_digest_keep_their_borders() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
