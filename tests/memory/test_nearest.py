"""Tests which vectors are nearest: exactly those that a plain loop finds."""

from __future__ import annotations

import numpy as np
import pytest

from hoshikage.keeper.nearest import VectorIndex

WIDTH = 8


def test_the_nearest_are_those_of_a_plain_loop_whatever_is_left_out() -> None:
    draw = np.random.default_rng(5)
    rows = draw.normal(size=(700, WIDTH)).astype(np.float32)
    held = VectorIndex()
    conversations = [f"c{number % 3}" for number in range(700)]
    times = [float(number) for number in range(700)]
    held.add([f"r{number}" for number in range(700)], list(rows), conversations, times)
    for asked in draw.normal(size=(20, WIDTH)).astype(np.float32):
        expected = sorted(
            (1 - float(row @ asked) / float(np.linalg.norm(row) * np.linalg.norm(asked)), f"r{number}")
            for number, row in enumerate(rows)
            if number % 3 != 1 and number >= 100
        )
        found = held.nearest(asked, but="c1", within=0.8, since=100.0, maximum=9)
        assert [name for name, _ in found] == [name for distance, name in expected[:9] if distance <= 0.8]
        assert [distance for _, distance in found] == pytest.approx(
            [one for one, _ in expected[: len(found)]], abs=1e-5
        )


def test_what_is_kept_again_is_there_once_as_it_was_last() -> None:
    held = VectorIndex()
    here, there = (np.eye(2, dtype=np.float32)[number] for number in (0, 1))
    held.add(["a", "b"], [here, here], ["c", "c"], [1.0, 1.0])
    held.add(["a"], [there], ["d"], [2.0])
    assert len(held) == 2
    assert held.nearest(there, but="c", within=0.5, since=0.0, maximum=5) == [("a", 0.0)]
    assert held.nearest(here, but="", within=0.5, since=0.0, maximum=5) == [("b", 0.0)]


def test_of_none_none_is_near() -> None:
    assert VectorIndex().nearest(np.ones(2, np.float32), but="", within=2.0, since=0.0, maximum=5) == []
