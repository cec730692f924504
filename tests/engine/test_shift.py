"""Tests a chat that is longer than the context: refused, or without its oldest turns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from hoshikage.engine.prompt import prepare
from hoshikage.errors import ContextLengthExceeded
from hoshikage.llama.template import Rendered, TemplatePart
from hoshikage.params import ChatPrompt, GenerationRequest, Message

N_CTX = 100
WORDS = ("system", "user", "assistant", "tool", "developer")


class Templates:
    """Writes each message as its role and so many characters."""

    def __init__(self) -> None:
        self.renders = 0

    def render(self, prompt: ChatPrompt, _now: Any) -> Rendered:
        self.renders += 1
        text = "".join(f"<{message.role}>{message.content}" for message in prompt.messages)
        return Rendered((TemplatePart(text, parse_special=True),), ())


class Vocab:
    """Each character has a token."""

    add_bos = False
    bos = -1
    guessed_ends: frozenset[int] = frozenset()

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        del parse_special
        return [ord(character) for character in text]

    def tokenize_prompt(self, text: str, _scope: str) -> list[int]:
        return self.tokenize(text, parse_special=True)

    def is_typed_control(self, _token: int) -> bool:
        return False

    def control_token(self, _text: str) -> None:
        return None


def shifted(*turns: tuple[str, str], overflow: str | None = "shift", max_tokens: int | None = None) -> tuple[str, int]:
    prompt = ChatPrompt(tuple(Message(cast("Any", role), content) for role, content in turns))
    request = GenerationRequest(prompt, max_tokens=max_tokens, context_overflow=cast("Any", overflow))
    done = prepare(request, cast("Any", Templates()), cast("Any", Vocab()), N_CTX)
    return "".join(map(chr, done.tokens)), done.shifted


TURNS = [
    ("system", "S" * 8),
    *(turn for number in "123456" for turn in (("user", number * 8), ("assistant", number * 8))),
    ("developer", "D" * 4),
    ("user", "now"),
]


def test_the_fewest_of_the_oldest_turns_go_and_system_texts_stay() -> None:
    text, count = shifted(*TURNS, max_tokens=4)
    assert count == 5
    assert text == "<system>SSSSSSSS<user>66666666<assistant>66666666<developer>DDDD<user>now"
    more, fewer = shifted(*TURNS, max_tokens=1)[1], shifted(*TURNS)[1]
    assert more <= count <= fewer  # an answer of any length has an eighth of the context


def test_a_call_goes_with_its_result() -> None:
    calls = [("user", "a" * 30), ("assistant", "b" * 10), ("tool", "c" * 10), ("assistant", "d" * 10), ("user", "now")]
    assert shifted(*calls, max_tokens=4) == ("<user>now", 1)


def test_what_fits_is_left_as_it_is() -> None:
    assert shifted(*TURNS[-2:]) == ("<developer>DDDD<user>now", 0)


def test_the_newest_turn_alone_that_is_too_long_is_refused() -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        shifted(*TURNS[:5], ("user", "x" * 200))
    assert caught.value.details["n_ctx"] == N_CTX


def test_without_being_asked_nothing_is_left_out() -> None:
    for overflow in ("error", None):
        with pytest.raises(ContextLengthExceeded):
            shifted(*TURNS, overflow=overflow)


@pytest.mark.parametrize(("before", "cut"), [(40, 0), (200, 117), (10_000, 9_917)])
def test_tokens_of_before_go_from_the_front(before: int, cut: int) -> None:
    prompt = ChatPrompt((Message("user", "now"),), before=tuple(range(65, 66)) * (before - 1) + (66,))
    request = GenerationRequest(prompt, max_tokens=7, context_overflow="shift")
    done = prepare(request, cast("Any", Templates()), cast("Any", Room()), N_CTX)
    assert done.cut == cut
    assert "".join(map(chr, done.tokens)) == "A" * (before - cut - 1) + "B<user>now"
    if cut:
        with pytest.raises(ContextLengthExceeded):
            prepare(replace(request, context_overflow="error"), cast("Any", Templates()), cast("Any", Room()), N_CTX)


class Room(Vocab):
    """This is the same, with a bound."""

    n_tokens = 1000
