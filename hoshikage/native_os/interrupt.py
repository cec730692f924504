"""Interrupts Python code that takes too long, in any thread. The one thread of all deadlines is this module's own."""

from __future__ import annotations

import ctypes
import math
import signal
import threading
import time
from types import TracebackType
from typing import Final

ENDS_AFTER_S: Final = 2.0
"""So long after a deadline that has not stopped its block the process ends, where it may."""


MIN_MORE_S: Final = 0.002
MAX_TIMES: Final = 5.0
"""A block that other programs keep from computing has so many times its seconds."""


class Interrupted(BaseException):
    """Interrupted is not an Exception, so that code which catches all errors does not hold it up."""


class Deadline:
    """`with Deadline(2.0):` raises Interrupted inside its block, between two bytecodes, when the time is up.

    The seconds are those that the thread computes, where the system tells them: on a busy machine the clock goes on
    longer, at most MAX_TIMES as long.

    One long call into C is not interrupted before it returns; the process ends for it where it `may_end`. After the
    block no interrupt is left pending; one that falls exactly on the block's end comes out of it, so the `except
    Interrupted` belongs around the `with`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._thread = 0
        self._fired = False
        self._began = self._computed = 0.0
        self.due = math.inf
        """`due` is told by `time.monotonic()`; infinite until the block begins."""

    def __enter__(self) -> Deadline:
        self._thread = threading.get_ident()
        self._began, self._computed = time.monotonic(), time.thread_time()
        self.due = self._began + self._seconds
        _ALARM.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ALARM.remove(self)
        if self._fired and kind is not Interrupted:
            # Asked for, but not raised yet: met here, for whatever runs next in this thread is not to blame. To take
            # it back (NULL) would leave CPython looking for it between all bytecodes from now on.
            try:
                for _ in range(100):
                    pass
            except Interrupted:
                pass

    def more_s(self) -> float:
        """Returns how many seconds it may still go on, now that it is due. The alarm's thread."""
        if not hasattr(time, "pthread_getcpuclockid"):
            return 0.0
        computed = time.clock_gettime(time.pthread_getcpuclockid(self._thread)) - self._computed
        left = self._began + MAX_TIMES * self._seconds - time.monotonic()
        return max(0.0, min(self._seconds - computed, left))

    def fire(self) -> None:
        """The time is up. The alarm's thread."""
        self._fired = True
        # PyThreadState_SetAsyncExc needs the interpreter lock, which is what ctypes.pythonapi keeps.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Interrupted))


class _Alarm:
    """Fires deadlines that are due. A thread for each of them, or a wake-up, would cost more than what they guard: the
    thread is woken where it would sleep too long, and sleeps on where a deadline was met."""

    def __init__(self) -> None:
        # Taken with `with` on the lock itself: an interrupt cannot fall between its two halves.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._set: set[Deadline] = set()
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None
        self.may_end = False
        self._open: set[Deadline] = set()
        """The blocks of these deadlines have not been left, whether the deadline was met or not."""

    def _arm(self) -> None:
        """Arms the system's own alarm, which needs no turn of the interpreter."""
        if self.may_end and hasattr(signal, "setitimer"):
            due = min((one.due for one in self._open), default=None)
            left = 0.0 if due is None else max(0.001, due + ENDS_AFTER_S - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, left)

    def add(self, deadline: Deadline) -> None:
        with self._lock:
            self._set.add(deadline)
            self._open.add(deadline)
            self._arm()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif deadline.due < self._wakes_at:
                self._wakes_at = deadline.due
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        with self._lock:
            self._set.discard(deadline)
            self._open.discard(deadline)
            self._arm()

    def _watch(self) -> None:
        with self._lock:
            while True:
                now = time.monotonic()
                for deadline in [one for one in self._set if one.due <= now]:
                    more = deadline.more_s()
                    if more > MIN_MORE_S:
                        deadline.due = now + more
                        continue
                    self._set.discard(deadline)
                    deadline.fire()
                self._arm()
                self._wakes_at = min((one.due for one in self._set), default=math.inf)
                self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - now)


_ALARM: Final = _Alarm()


def end_what_does_not_stop() -> None:
    """Makes a block that its deadline cannot stop end this process by SIGALRM, ENDS_AFTER_S later.

    For a process that is there for one thread's work, and may be lost. Main thread.
    """
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _ALARM.may_end = True


def may_end() -> bool:
    """Returns whether this process may be lost."""
    return _ALARM.may_end
