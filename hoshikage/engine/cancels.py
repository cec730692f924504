"""Knows which jobs are to end early. `opened` and `cancel` may be called on any thread, the rest on the engine
thread."""

from __future__ import annotations

import threading

from hoshikage._ffi.callbacks import AbortFlag


class Cancels:
    """Keeps a late cancel of an ended job from stopping the decode of the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[int] = set()
        self._running: set[int] = set()
        self._cancelled: set[int] = set()
        self._abort: AbortFlag | None = None

    def opened(self, job: int) -> None:
        with self._lock:
            self._open.add(job)

    def cancel(self, job: int) -> None:
        """Marks an open job. A job that is alone in the batch has its decode aborted."""
        with self._lock:
            if job not in self._open:
                return
            self._cancelled.add(job)
            if self._abort is not None and self._running == {job}:
                self._abort.set()

    def cancel_all(self) -> None:
        with self._lock:
            self._cancelled |= self._open
            if self._abort is not None and self._running:
                self._abort.set()

    def admitted(self, job: int, abort: AbortFlag) -> None:
        with self._lock:
            self._running.add(job)
            self._abort = abort
            if job in self._cancelled and self._running == {job}:
                abort.set()

    def ended(self, job: int) -> None:
        with self._lock:
            self._open.discard(job)
            self._running.discard(job)
            self._cancelled.discard(job)
            if self._abort is not None:
                self._abort.clear()

    @property
    def aborting(self) -> bool:
        """Tells whether a decode is being aborted: what the library says about it then is no fault."""
        return self._abort is not None and self._abort.is_set

    def wanted(self, job: int) -> bool:
        return job in self._cancelled
