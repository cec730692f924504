"""Tests looking up: what it guesses, and what a guess may cost."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoshikage.engine.costs import WARM_UP, BatchCost
from hoshikage.engine.prompt_lookup import LONGEST, SHORTEST, Credit, PromptLookup, agreement

DEAR: Final = {1: 1.0, 2: 2.7, 4: 3.6, 8: 4.3, 16: 5.2}
"""These were measured on a CPU whose library is slow with few tokens."""
CHEAP: Final = {1: 1.0, 2: 1.05, 4: 1.1, 8: 1.3, 16: 1.6}
"""Decodes cost this where memory is the limit."""


def prices(seconds: dict[int, float]) -> BatchCost:
    made = BatchCost(512)
    for size, cost in seconds.items():
        for _ in range(WARM_UP + 1):
            made.took(size, 0, cost)
    return made


def generated(
    prompt: Sequence[int], follow: Callable[[list[int]], int], count: int, cost: BatchCost, credit: Credit | None = None
) -> tuple[list[int], float]:
    """Returns a text as the engine makes it with look-ups, and what it cost in decodes of one token."""
    tokens, spent, lookup = list(prompt), 0.0, PromptLookup(cost, credit or Credit())
    end = len(prompt) + count
    while len(tokens) < end:
        propose = lookup.propose(tokens, min(15, end - len(tokens) - 1))
        spent += cost.of(1 + len(propose))
        accepted = 0
        tokens.append(follow(tokens))
        for token in propose:
            if token != tokens[-1]:
                break
            accepted += 1
            tokens.append(follow(tokens))
        lookup.verified(len(propose), accepted)
    return tokens[:end], spent


def alone(prompt: Sequence[int], follow: Callable[[list[int]], int], count: int) -> list[int]:
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(follow(tokens))
    return tokens


@pytest.mark.parametrize("cost", [DEAR, CHEAP], ids=["dear", "cheap"])
def test_a_text_that_copies_with_a_few_changes_is_made_in_far_fewer_decodes(cost: dict[int, float]) -> None:
    rng = random.Random(1)
    source = [rng.randrange(5000) for _ in range(300)]
    edited = [token + 1 if at % 60 == 59 else token for at, token in enumerate(source)]

    def follow(tokens: list[int]) -> int:
        return edited[len(tokens) - len(source)]

    text, spent = generated(source, follow, 300, prices(cost))
    assert text == [*source, *edited]
    assert 300 / spent > 1.5


@pytest.mark.parametrize("cost", [DEAR, CHEAP], ids=["dear", "cheap"])
@pytest.mark.parametrize("alphabet", [6, 40, 5000])
def test_a_text_of_chance_loses_next_to_nothing(cost: dict[int, float], alphabet: int) -> None:
    """A small alphabet matches again and again, and each time something else follows."""
    made = prices(cost)
    for seed in range(5):
        rng = random.Random(seed)
        prompt = [rng.randrange(alphabet) for _ in range(200)]
        to_come = [rng.randrange(alphabet) for _ in range(600)]

        def follow(tokens: list[int], to_come: list[int] = to_come, begin: int = len(prompt)) -> int:
            return to_come[len(tokens) - begin]

        text, spent = generated(prompt, follow, 600, made)
        assert text == [*prompt, *to_come]
        assert spent / 600 < 1.03


@pytest.mark.parametrize("cost", [DEAR, CHEAP], ids=["dear", "cheap"])
def test_what_other_texts_have_won_is_not_lost_by_one(cost: dict[int, float]) -> None:
    """Its prompt holds longer and longer pieces of it, and each goes on otherwise."""
    rng, credit = random.Random(3), Credit()
    credit.add(100.0)
    to_come = [rng.randrange(5000) for _ in range(200)]
    prompt: list[int] = []
    for begin, agreeing in ((10, 3), (30, 7), (60, 13), (100, 25)):
        prompt += to_come[begin : begin + agreeing] + [rng.randrange(5000, 9000) for _ in range(20)]
    start = len(prompt)
    text, spent = generated(prompt, lambda tokens: to_come[len(tokens) - start], 200, prices(cost), credit)
    assert text == [*prompt, *to_come]
    assert spent < 200 * 1.03


@given(st.lists(st.integers(0, 4), min_size=SHORTEST, max_size=80), st.integers(1, 15))
def test_a_guess_is_what_once_followed_the_texts_last_tokens(tokens: list[int], maximum: int) -> None:
    propose = list(PromptLookup(prices(CHEAP), Credit()).propose(tokens, maximum))
    assert len(propose) <= maximum
    if propose:
        tail = tokens[-SHORTEST:]
        places = [at for at in range(SHORTEST, len(tokens)) if tokens[at - SHORTEST : at] == tail]
        place = places[-1]
        endless = [*tokens[place:]] * (maximum + 1)  # near the end it goes round
        assert propose == endless[: len(propose)]


def test_agreement_counts_backwards() -> None:
    assert agreement([1, 2, 3, 9, 1, 2, 3], 3) == 3
    assert agreement([7] * 100, 99) == LONGEST
