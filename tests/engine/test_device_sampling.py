"""Tests when the device chooses tokens in Python's place: where that has been seen to save time, and not before it
pays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hoshikage.engine.device_sampling import NOTHING, SURE, TRY_AFTER, WARM_UP, DeviceSampling


class Sampler:
    """The tokens of this one take these seconds each: by Python, by the device, and more for the first ones behind."""

    def __init__(
        self, by_python: float, by_device: float, going_over: float = 0.0, kind: str | None = "greedy"
    ) -> None:
        self.device_kind = kind
        self.is_over = False
        self.ways: list[str] = []
        self._by = (by_python, by_device)
        self._left = 0
        self._going_over = going_over

    def go_over(self, number: int) -> bool:
        assert number == 3
        self.is_over, self._left = True, WARM_UP
        return True

    def come_back(self) -> None:
        self.is_over = False

    def next(self) -> float:
        self.ways.append("device" if self.is_over else "python")
        extra = self._going_over / WARM_UP if self._left > 0 and self.is_over else 0.0
        self._left -= 1
        held_up = 0.02 if len(self.ways) % 5 == 0 else 0.0  # other work of the machine
        return self._by[self.is_over] + extra + held_up


class Refused(Sampler):
    def go_over(self, number: int) -> bool:
        return False


def answer(learned: DeviceSampling, sampler: Sampler, tokens: int, *, overlaps: bool = True) -> list[str]:
    """Says who chose its tokens."""
    running: Any = SimpleNamespace(movable=sampler, sequence=SimpleNamespace(number=3))
    for _ in range(tokens):
        learned.took(running, sampler.next(), overlaps=overlaps)
    return sampler.ways


def test_what_saves_time_is_kept_to_and_others_of_its_kind_go_over_when_it_pays() -> None:
    learned = DeviceSampling()
    ways = answer(learned, Sampler(1.2e-3, 1.0e-3, going_over=4e-3), 200)
    assert ways == ["python"] * TRY_AFTER + ["device"] * (200 - TRY_AFTER)
    worth = learned.known["greedy"]
    assert worth.saved == pytest.approx(0.2e-3)
    assert 4e-3 <= worth.cost < 25e-3  # one of them was held up
    again = answer(learned, Sampler(1.2e-3, 1.0e-3), 400)
    assert again.index("device") == pytest.approx(worth.cost / worth.saved, abs=1)
    assert answer(learned, Sampler(1.2e-3, 1.0e-3), 15) == ["python"] * 15


def test_going_over_costs_what_it_did_where_nothing_came_between() -> None:
    learned = DeviceSampling()
    answer(learned, Sampler(1.2e-3, 1.0e-3, going_over=40e-3), 100)
    assert learned.known["greedy"].cost > 40e-3
    answer(learned, Sampler(1.2e-3, 1.0e-3, going_over=4e-3), 600)
    assert 4e-3 <= learned.known["greedy"].cost < 25e-3
    answer(learned, Sampler(1.2e-3, 1.0e-3, going_over=40e-3), 600)
    assert learned.known["greedy"].cost < 25e-3
    assert learned.known["greedy"].saved == pytest.approx(0.2e-3)


@pytest.mark.parametrize("by_device", [1.3e-3, 1.0e-3, 0.995e-3])
def test_what_saves_nothing_comes_back_and_is_not_tried_again(by_device: float) -> None:
    learned = DeviceSampling()
    tried = WARM_UP + SURE
    ways = answer(learned, Sampler(1.0e-3, by_device), 200)
    assert ways == ["python"] * TRY_AFTER + ["device"] * tried + ["python"] * (200 - TRY_AFTER - tried)
    assert answer(learned, Sampler(1.0e-3, by_device), 200) == ["python"] * 200
    other = answer(learned, Sampler(1.0e-3, 0.5e-3, kind="top_k,temperature"), 200)
    assert other[-1] == "device"


def test_an_answer_that_ends_before_it_is_known_leaves_it_to_the_next() -> None:
    learned = DeviceSampling()
    assert answer(learned, Sampler(1.2e-3, 1.0e-3), TRY_AFTER + WARM_UP + 2)[-1] == "device"
    assert learned.known == {}
    assert answer(learned, Sampler(1.2e-3, 1.0e-3), 100)[-1] == "device"
    assert learned.known["greedy"].saved == pytest.approx(0.2e-3)


def test_what_the_library_refuses_is_not_asked_for_again() -> None:
    learned = DeviceSampling()
    assert answer(learned, Refused(1.0e-3, 0.1e-3), 100) == ["python"] * 100
    assert learned.known == {"greedy": NOTHING}


def test_an_answer_that_needs_its_logits_is_left_alone() -> None:
    learned = DeviceSampling()
    running: Any = SimpleNamespace(movable=None)
    for _ in range(100):
        learned.took(running, 1e-3, overlaps=True)
    assert answer(learned, Sampler(1.0e-3, 0.1e-3, kind=None), 100) == ["python"] * 100
    assert learned.known == {}


def test_a_processor_may_draw_and_leaves_the_likeliest_to_python() -> None:
    learned = DeviceSampling()
    assert answer(learned, Sampler(1.2e-3, 1.0e-3), 200, overlaps=False) == ["python"] * 200
    assert answer(learned, Sampler(1.2e-3, 1.0e-3, kind="temperature"), 200, overlaps=False)[-1] == "device"
    assert learned.known.keys() == {"temperature"}
