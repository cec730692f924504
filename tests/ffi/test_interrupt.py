"""A deadline ends Python code that runs too long, and leaves nothing behind for what runs next."""

from __future__ import annotations

import contextlib
import itertools
import signal
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
    """Here an interrupt that was taken back has left Python 3.11 looking for it at each step, for ever under a
    tracer."""
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
    """These blocks last about as long as their deadline: it comes in time, or not at all, never after the `try`."""
    ended = 0
    for lap in range(200):
        try:
            with Deadline(0.0002):
                sum(range(lap * 100))
        except Interrupted:
            ended += 1
        assert sum(range(500)) == 124750
    assert 0 <= ended <= 200


ENDLESS_CALL = """
import select
from hoshikage.native_os import interrupt
interrupt.ENDS_AFTER_S = {after}
{first}
with interrupt.Deadline(60):
    try:
        with interrupt.Deadline(0.05):
            {inner}
    except interrupt.Interrupted:
        print("stopped", flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("inner", "after", "status", "said"),
    [("select.select([], [], [], 3600)", 0.1, -signal.SIGALRM, b""), ("while True: pass", 60, 0, b"stopped\n")],
)
def test_a_call_that_no_deadline_stops_ends_a_process_that_may_end(
    inner: str, after: float, status: int, said: bytes
) -> None:
    code = ENDLESS_CALL.format(first="interrupt.end_what_does_not_stop()", inner=inner, after=after)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (status, said)


@pytest.mark.process
@pytest.mark.parametrize("may_end", [True, False])
def test_memory_is_bounded_where_the_process_may_end(may_end: bool) -> None:
    code = f"""
from hoshikage.native_os import interrupt, memory
if {may_end}:
    interrupt.end_what_does_not_stop()
try:
    with memory.bounded(16 * 2**20):
        bytearray(64 * 2**20)
    print("made")
except MemoryError:
    print("refused")
print(len(bytearray(64 * 2**20)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["refused" if may_end and sys.platform == "linux" else "made", str(64 * 2**20)]
