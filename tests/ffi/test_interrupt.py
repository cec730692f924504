"""A deadline ends Python code that runs too long, and leaves nothing behind for what runs next."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import threading

import pytest

from hoshikage.native_os.interrupt import Deadline, Interrupted


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


def test_work_in_time_is_left_alone_and_one_thread_serves_all_deadlines() -> None:
    with Deadline(60):
        pass
    before = threading.active_count()
    for _ in range(3):
        with Deadline(60), Deadline(30):
            done = sum(range(1000))
    assert (done, threading.active_count()) == (499500, before)


def test_the_sooner_of_two_deadlines_is_not_kept_waiting() -> None:
    with Deadline(60):
        with pytest.raises(Interrupted), Deadline(0.05):
            for _ in itertools.count():
                pass
        with pytest.raises(Interrupted), Deadline(0.05):
            for _ in itertools.count():
                pass


@pytest.mark.process
def test_a_debugger_or_profiler_works_after_a_deadline() -> None:
    """An interrupt that was taken back left Python 3.11 looking for it at each step, for ever under a tracer."""
    code = """
import sys
from hoshikage.native_os.interrupt import Deadline
with Deadline(60):
    pass
sys.setprofile(lambda *_: None)
print(sum(abs(number) for number in range(1000)))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == ["499500"]


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
