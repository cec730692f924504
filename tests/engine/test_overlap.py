"""Tests when Python works beside a decode: where one goes on behind its return, and its text need not wait for long."""

from __future__ import annotations

import pytest

from hoshikage.engine.overlap import SURE, Overlap


@pytest.mark.parametrize(
    ("returned", "left", "pays"),
    [
        (1_000e-6, 2e-6, False),  # a processor
        (132e-6, 994e-6, True),  # a card: launched, then computed
        (2_900e-6, 600e-6, True),
        (20e-3, 5e-3, False),  # a part of the layers on the processor
        (20e-3, 30e-3, True),
    ],
)
def test_it_pays_where_most_is_done_behind_the_return(returned: float, left: float, pays: bool) -> None:
    overlap = Overlap()
    for number in range(SURE):
        assert (overlap.is_known, overlap.pays) == (False, False)
        held_up = 20e-3 if number % 2 else 0.0  # other work of the machine
        overlap.took(returned + held_up, left + held_up)
    assert (overlap.is_known, overlap.pays) == (True, pays)
