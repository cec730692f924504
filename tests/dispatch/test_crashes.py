"""Tests the finding of whose crash it was: a request's, its caller's, the model's."""

from __future__ import annotations

import pytest

from hoshikage.dispatch.crashes import (
    CALLER_LIMIT,
    LIMIT,
    POISON_S,
    QUARANTINE_S,
    STRIKES,
    WINDOW_S,
    Crashes,
    Origin,
)
from hoshikage.errors import ModelQuarantined, RateLimited, RequestCrashedModel

STATE = ("file", "library")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crashes(clock: Clock) -> Crashes:
    return Crashes(clock)


def origin(number: int, caller: str = "me", *, grammar: bool = False) -> Origin:
    return Origin(bytes([number]), caller, grammar)


def test_one_requests_crashes_are_never_the_models(crashes: Crashes) -> None:
    for _ in range(4 * LIMIT):
        crashes.blame("a", STATE, origin(1))
    crashes.check("a", STATE, "me")
    assert not crashes.quarantined("a", "me")
    assert crashes.pause("a") == 0


def test_a_requests_second_crash_refuses_it_for_a_while(crashes: Crashes, clock: Clock) -> None:
    for _ in range(STRIKES):
        crashes.check_request(origin(1).digest, "file")
        crashes.blame("a", STATE, origin(1))
    with pytest.raises(RequestCrashedModel):
        crashes.check_request(origin(1).digest, "file")
    crashes.check_request(origin(1).digest, "another file")
    crashes.check_request(origin(2).digest, "file")
    clock.now += POISON_S
    crashes.check_request(origin(1).digest, "file")


def test_one_that_had_to_be_stopped_is_refused_at_once(crashes: Crashes) -> None:
    crashes.blame("a", STATE, origin(1), at_once=True)
    assert crashes.refuses(origin(1).digest)


def test_a_good_end_takes_a_doubt_away(crashes: Crashes) -> None:
    for _ in range(3):
        crashes.doubt(STATE, origin(1))
        assert not crashes.refuses(origin(1).digest), "others were there"
    crashes.finished("a", origin(1).digest)
    crashes.blame("a", STATE, origin(1))
    assert not crashes.refuses(origin(1).digest)


def test_different_requests_of_one_caller_keep_that_caller_out_alone(crashes: Crashes, clock: Clock) -> None:
    for number in range(LIMIT):
        crashes.blame("a", STATE, origin(number))
    with pytest.raises(ModelQuarantined) as refused:
        crashes.check("a", STATE, "me")
    assert refused.value.retry_after == QUARANTINE_S
    crashes.check("a", STATE, "somebody else")
    assert not crashes.quarantined("a")
    clock.now += QUARANTINE_S
    crashes.check("a", STATE, "me")


def test_requests_of_different_callers_are_the_models_crashes(crashes: Crashes) -> None:
    for number in range(LIMIT):
        crashes.blame("a", STATE, origin(number, f"caller {number}"))
    with pytest.raises(ModelQuarantined):
        crashes.check("a", STATE, "somebody else")


def test_crashes_at_a_load_and_of_requests_are_added_up_within_a_minute(crashes: Crashes, clock: Clock) -> None:
    crashes.crashed("a", STATE)
    crashes.crashed("a", STATE)
    clock.now += WINDOW_S + 1
    crashes.blame("a", STATE, origin(1))
    assert not crashes.quarantined("a", "me")
    crashes.crashed("a", STATE)
    crashes.crashed("a", STATE)
    assert crashes.quarantined("a")


def test_grammars_count_against_their_caller_and_never_against_the_model(crashes: Crashes, clock: Clock) -> None:
    for number in range(CALLER_LIMIT):
        crashes.check_caller("me")
        crashes.blame("a", STATE, origin(number, grammar=True), at_once=True)
        clock.now += 1
    assert not crashes.quarantined("a", "me")
    with pytest.raises(RateLimited) as refused:
        crashes.check_caller("me")
    assert refused.value.retry_after == POISON_S - CALLER_LIMIT
    crashes.check_caller("somebody else")
    clock.now += POISON_S - CALLER_LIMIT
    crashes.check_caller("me")
