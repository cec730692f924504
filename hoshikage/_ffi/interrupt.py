"""Interrupts Python code that runs too long in another thread. A watchdog thread lives while a Deadline is open."""

from __future__ import annotations

import ctypes
import threading
from types import TracebackType


class Interrupted(BaseException):
    """Raised in the thread whose deadline passed. No `except Exception` on the way swallows it."""


class Deadline:
    """`with Deadline(2.0):` raises Interrupted inside its block, between two bytecodes, when the time is up.

    One long call into C is not interrupted before it returns. After the block no interrupt is left pending; one that
    falls exactly on the block's end comes out of it, so the `except Interrupted` belongs around the `with`.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._interrupt)
        self._timer.daemon = True
        self._thread = 0
        self._lock = threading.Lock()
        self._open = False

    def __enter__(self) -> Deadline:
        self._thread = threading.get_ident()
        self._open = True
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._open = False
            # Fired, but not raised yet: take it back, for whatever runs next in this thread is not to blame.
            _raise_in(self._thread, None)
        self._timer.cancel()

    def _interrupt(self) -> None:
        with self._lock:
            if self._open:
                _raise_in(self._thread, Interrupted)


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    # PyThreadState_SetAsyncExc needs the interpreter lock, which is what ctypes.pythonapi keeps. NULL takes it back.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)
