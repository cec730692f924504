"""A deadline ends Python code that runs too long, and leaves nothing behind for what runs next."""

from __future__ import annotations

import contextlib
import itertools
import threading

import pytest

from hoshikage._ffi.interrupt import Deadline, Interrupted


def test_an_endless_loop_is_ended() -> None:
    with pytest.raises(Interrupted), Deadline(0.05):
        for _ in itertools.count():
            pass


def test_no_except_exception_swallows_it() -> None:
    def template_that_catches() -> None:
        while True:
            with contextlib.suppress(Exception):
                sum(range(100))

    with pytest.raises(Interrupted), Deadline(0.05):
        template_that_catches()


def test_work_in_time_is_left_alone_and_no_thread_stays() -> None:
    before = threading.active_count()
    deadline = Deadline(60)
    with deadline:
        done = sum(range(1000))
    deadline._timer.join()
    assert (done, threading.active_count()) == (499500, before)


def test_an_error_of_the_block_passes() -> None:
    with pytest.raises(KeyError), Deadline(60):
        raise KeyError("its own")


def test_a_deadline_at_the_very_end_of_the_block_leaves_nothing_pending() -> None:
    """Blocks that last about as long as their deadline: it comes in time, or not at all, never after the `try`."""
    ended = 0
    for lap in range(200):
        try:
            with Deadline(0.0002):
                sum(range(lap * 100))
        except Interrupted:
            ended += 1
        assert sum(range(500)) == 124750
    assert 0 <= ended <= 200
