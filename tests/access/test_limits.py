"""Rate limits on a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoshikage.access.limits import RateLimits


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_minutes_worth_at_once_and_then_one_at_a_time(clock: Clock) -> None:
    limits = RateLimits(3, 0, clock)
    assert [limits.admit("a") for _ in range(5)] == [None, None, None, 20, 20]
    clock.now += 19.5
    assert limits.admit("a") == 1
    clock.now += 0.5
    assert [limits.admit("a"), limits.admit("a")] == [None, 20]


def test_names_do_not_share(clock: Clock) -> None:
    limits = RateLimits(1, 10, clock)
    assert limits.admit("a") is None
    limits.spend("b", 100)
    assert limits.admit("a") == 60
    assert limits.admit("b") == 9 * 60 + 6, "a debt of 90 and one to go on with, at ten a minute"


def test_a_bucket_holds_no_more_than_a_minutes_worth(clock: Clock) -> None:
    limits = RateLimits(2, 0, clock)
    clock.now += 3600
    assert [limits.admit("a") for _ in range(3)] == [None, None, 30]


def test_tokens_are_let_run_over_and_then_paid_off(clock: Clock) -> None:
    limits = RateLimits(0, 600, clock)
    assert limits.admit("a") is None
    limits.spend("a", 1200)
    assert limits.admit("a") == 61
    clock.now += 60
    assert limits.admit("a") == 1
    clock.now += 1
    assert limits.admit("a") is None


def test_the_longer_wait_counts(clock: Clock) -> None:
    limits = RateLimits(1, 60, clock)
    assert limits.admit("a") is None
    limits.spend("a", 200)
    assert limits.admit("a") == 141
    clock.now += 141
    assert limits.admit("a") is None


def test_who_is_not_let_in_is_not_counted(clock: Clock) -> None:
    limits = RateLimits(1, 60, clock)
    limits.spend("a", 70)
    assert [limits.admit("a") for _ in range(10)] == [11] * 10
    clock.now += 11
    assert limits.admit("a") is None, "none of the ten took the one request of the minute"


def test_no_limit(clock: Clock) -> None:
    limits = RateLimits(0, 0, clock)
    limits.spend("a", 10**9)
    assert [limits.admit("a") for _ in range(1000)] == [None] * 1000


@given(
    requests=st.integers(0, 10_000),
    tokens=st.integers(0, 10_000_000),
    spent=st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 100)), max_size=20),
)
def test_who_waits_as_long_as_told_is_let_in(requests: int, tokens: int, spent: list[tuple[int, float]]) -> None:
    clock = Clock()
    limits = RateLimits(requests, tokens, clock)
    for used, pause in spent:
        wait = limits.admit("a")
        if wait is not None:
            assert wait >= 1
            clock.now += wait
            assert limits.admit("a") is None
        limits.spend("a", used)
        clock.now += pause


def test_levels_say_how_a_name_stands(clock: Clock) -> None:
    limits = RateLimits(4, 600, clock)
    assert limits.admit("a") is None
    limits.spend("a", 900)
    levels = limits.levels("a")
    assert (levels["requests"].limit, levels["requests"].remaining, levels["requests"].reset_s) == (4, 3, 15)
    assert (levels["tokens"].limit, levels["tokens"].remaining, levels["tokens"].reset_s) == (600, 0, 90)
    clock.now += 90
    assert [level.remaining for level in limits.levels("a").values()] == [4, 600]
    assert RateLimits(0, 0, clock).levels("a") == {}
    assert list(RateLimits(0, 5, clock).levels("a")) == ["tokens"]
