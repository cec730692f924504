"""Tests what stays in memory of an answer that was given up, and a prompt's scores that are computed twice. No
library."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hoshikage.engine.prompt_logprobs import PromptLogprobs
from hoshikage.engine.sequence_pool import SequencePool


class Context:
    """This is a memory of two sequences; it holds what `computed` says."""

    n_cells = 64
    keeps_order = True
    cuts_anywhere = can_cut = True

    def __init__(self) -> None:
        self.held = {0: 0, 1: 0}

    def shorten(self, seq_id: int, begin: int) -> bool:
        self.held[seq_id] = min(self.held[seq_id], begin)
        return True

    def remove(self, seq_id: int) -> None:
        self.held[seq_id] = 0

    def clear(self) -> None:
        self.held = dict.fromkeys(self.held, 0)


def test_what_is_kept_ends_where_the_seat_says() -> None:
    """An answer is given up after a decode of whose tokens its sequence knows nothing yet."""
    context = Context()
    pool = SequencePool(cast("Any", context), 2)
    first = pool.take([1, 2, 3, 4, 5], "", reuse=True)
    assert first is not None
    first.n_past, context.held[first.number] = 3, 5
    pool.release(first, keep=True)
    assert context.held[first.number] == 3
    again = pool.take([1, 2, 3, 9, 9], "", reuse=True)
    assert again is first
    assert again.n_past == context.held[again.number] == 3


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("others", [0, 4])
def test_nothing_told_of_is_nothing_kept(keep: bool, others: int) -> None:
    """It is given up after its first decode, alone or beside another."""
    context = Context()
    pool = SequencePool(cast("Any", context), 2)
    other, sequence = pool.take([5, 6, 7, 8, 9], "", reuse=True), pool.take([1, 2, 3], "", reuse=True)
    assert other is not None
    assert sequence is not None
    other.n_past = context.held[other.number] = others
    context.held[sequence.number] = 2
    pool.release(sequence, keep=keep)
    assert (sequence.n_past, context.held[sequence.number], pool.cells_kept) == (0, 0, 0)
    assert context.held[other.number] == others


def test_who_leaves_empties_no_sequence_that_somebody_has() -> None:
    """The other's first tokens are in memory, and its sequence knows nothing of them yet."""
    context = Context()
    pool = SequencePool(cast("Any", context), 2)
    other, sequence = pool.take([5, 6, 7], "", reuse=False), pool.take([1, 2, 3], "", reuse=False)
    assert other is not None
    assert sequence is not None
    context.held = {other.number: 2, sequence.number: 2}
    pool.release(sequence, keep=False)
    assert context.held == {other.number: 2, sequence.number: 0}
    pool.release(other, keep=False)
    assert context.held == {other.number: 0, sequence.number: 0}


class Scorer:
    def row(self, index: int) -> int:
        return index

    def score(self, index: int, token: int) -> tuple[float, list[tuple[int, float]]]:
        return float(-index), []


class Vocab:
    def shown(self, token: int) -> bytes:
        return b"x"


def test_scores_that_are_computed_again_take_the_place_of_the_first() -> None:
    echo = PromptLogprobs(1, (b"a", b"b", b"c"), 3, cast("Any", Scorer()), cast("Any", Vocab()))
    for index, position in enumerate((1, 1, 2), start=1):
        echo.score(index, position, 7)
    (frame,) = echo.frames()
    assert frame.text == "abc"
    assert [one.token.logprob for one in frame.logprobs or ()][1:] == [-2.0, -3.0]


def test_a_sequence_is_had_by_its_number_with_what_is_kept_in_it_alone() -> None:
    pool = SequencePool(cast("Any", Context()), 2)
    text = [1, 2, 3, 4]
    kept = pool.take(text, "", reuse=True, number=1)
    assert kept is not None
    assert (kept.number, pool.has(0), pool.has(1), pool.has(None), pool.has(7)) == (1, True, False, True, True)
    assert pool.take(text, "", reuse=True, number=1) is None, "somebody has it"
    kept.n_past = 4
    pool.release(kept, keep=True)
    other = pool.take(text, "", reuse=True, number=0)
    assert other is not None
    assert (other.number, other.n_past) == (0, 0)
    again = pool.take(text, "", reuse=True, number=1)
    assert again is kept
    assert again.n_past == 3
    pool.release(again, keep=True)
    anywhere = pool.take(text, "", reuse=True, number=7)
    assert anywhere is again, "a number that there is not"
