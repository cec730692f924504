"""Tests what decodes cost: learned from the shortest of the last ones, whatever else the machine does meanwhile."""

from __future__ import annotations

import random
from typing import Final

import pytest

from hoshikage.engine.costs import CHUNK_S, LAST_LOOK, MIN_CHUNK, PROBE, SURE, WARM_UP, WINDOW, BatchCost

DEAR: Final = {1: 1.0, 2: 2.7, 4: 3.6, 8: 4.3, 16: 5.2}
"""These were measured on a CPU whose library is slow with few tokens."""
EVEN: Final = {1: 1.0, 2: 1.94, 4: 2.39, 8: 3.3, 16: 5.1}
"""Another machine has these costs, as measured."""
CARD: Final = {1: 2.9, 2: 3.9, 4: 4.7, 8: 6.7, 16: 8.1}
"""These were measured on a graphics card, in milliseconds, once it is warm."""
COLD: Final = 3.0
"""The card's first decodes of another width take so many times as long."""


def cost_of(costs: dict[int, float], size: int) -> float:
    below = max(known for known in costs if known <= size)
    above = min(known for known in costs if known >= size)
    share = (size - below) / (above - below) if above > below else 0.0
    return costs[below] + share * (costs[above] - costs[below])


def learned(costs: dict[int, float]) -> BatchCost:
    made = BatchCost(512)
    for size, seconds in costs.items():
        for _ in range(WARM_UP + SURE):
            made.took(size, 0, seconds)
    return made


def rate(costs: dict[int, float], texts: int, decodes: int, chance: random.Random | None = None) -> float:
    """Returns the tokens a second that so many texts get by the groups that are chosen. `chance`: another process makes
    half of the decodes up to five times as long; they are counted without that."""
    made, spent, tokens = BatchCost(512), 0.0, 0
    last = run = 0
    for _ in range(decodes):
        size = made.group(texts)
        run = run + 1 if size == last else 1
        last = size
        true = cost_of(costs, size) * (COLD if costs is CARD and run <= WARM_UP else 1.0)
        spent += true
        tokens += size
        made.took(size, 0, true * (chance.uniform(1, 5) if chance is not None and chance.random() < 0.5 else 1.0))
    return tokens / spent


@pytest.mark.parametrize("texts", [2, 4, 8, 16])
@pytest.mark.parametrize("costs", [DEAR, EVEN, CARD], ids=["dear", "even", "card"])
@pytest.mark.parametrize("noisy", [False, True], ids=["quiet", "beside another process"])
def test_groups_come_as_near_to_what_is_possible_as_one_does(costs: dict[int, float], texts: int, noisy: bool) -> None:
    best = max(size / cost_of(costs, size) for size in range(1, texts + 1))
    for chance in [random.Random(seed) for seed in range(5)] if noisy else [None]:
        got = rate(costs, texts, 4000, chance)
        assert got > best * (0.96 if not noisy else 0.93)
        assert got > 0.98 / cost_of(costs, 1)  # never below one at a time


def test_costs_are_taken_in_between() -> None:
    made = learned(DEAR)
    assert made.of(16) == pytest.approx(5.2)
    assert 3.6 < made.of(6) < 4.3
    assert made.seconds_of_one == 1.0
    assert BatchCost(512).seconds_of_one == 0


def test_the_first_decodes_of_another_width_teach_nothing_that_is_known_better() -> None:
    made = learned(EVEN)
    for _ in range(50):
        for size in (1, 8):
            for _ in range(WARM_UP):
                made.took(size, 0, 0.001)  # a decode that has only been begun
    assert made.of(8) == pytest.approx(3.3)
    assert made.seconds_of_one == 1.0


def test_what_has_become_dearer_is_known_after_some_decodes() -> None:
    made = learned(EVEN)
    for _ in range(WARM_UP + 2 * WINDOW):
        made.took(1, 0, 1.5)
    assert made.seconds_of_one == 1.5


def test_another_size_of_group_is_measured_several_times_in_a_row() -> None:
    made = learned(EVEN)
    groups = []
    for _ in range(3 * LAST_LOOK):
        groups.append(made.group(8))
        made.took(groups[-1], 0, cost_of(EVEN, groups[-1]))
    runs, last = list[tuple[int, int]](), 0
    for size in groups:
        runs[-1:] = [(size, runs[-1][1] + 1)] if size == last else [*runs[-1:], (size, 1)]
        last = size
    looks = [(size, count) for size, count in runs if size != 8]
    assert len(looks) > 2
    assert all(count % PROBE == 0 for _, count in looks)
    assert sum(count for _, count in looks) < len(groups) * 0.03


def test_prompts_are_put_in_by_what_a_decode_may_take() -> None:
    made = BatchCost(512)
    assert MIN_CHUNK < made.chunk < 512
    for _ in range(40):
        made.took(made.chunk + 2, made.chunk, 1e-5 * made.chunk)
    assert made.chunk == 512
    for _ in range(40):
        made.took(made.chunk + 2, made.chunk, 1e-3 * (made.chunk + 2))
    assert made.chunk == pytest.approx(CHUNK_S / 1e-3, abs=1)
    for _ in range(40):
        made.took(made.chunk + 2, made.chunk, 1.0 * made.chunk)
    assert made.chunk == MIN_CHUNK


def crowded_rate(costs: dict[int, float], texts: int, decodes: int, *, fixed: int = 0) -> float:
    """Measures the same as `rate` does, where others get the processor after each slice of two decodes of one: who is
    longer waits longer."""
    made, spent, tokens, left = BatchCost(512), 0.0, 0, 2.0
    for _ in range(decodes):
        size = fixed or made.group(texts)
        needs, seconds = cost_of(costs, size), 0.0
        while needs > left:
            needs, seconds, left = needs - left, seconds + left + 20.0, 2.0
        seconds, left = seconds + needs, left - needs
        spent, tokens = spent + seconds, tokens + size
        made.took(size, 0, seconds)
    return tokens / spent


@pytest.mark.parametrize("texts", [2, 4, 8, 16])
def test_where_others_take_the_processor_in_turn_averages_count(texts: int) -> None:
    """The shortest decode of one fits into a slice, one of four never does: by the shortest, one would be cheap."""
    best = max(crowded_rate(EVEN, texts, 4000, fixed=size) for size in (1, texts))
    assert crowded_rate(EVEN, texts, 4000) > 0.9 * best
