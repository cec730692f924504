"""Hosts the engine thread inside this process (ENGINE=thread). Created and called on the event loop's thread."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from hoshikage import wire
from hoshikage.engine.worker import Worker
from hoshikage.runner.calibrated import read

log: Final = logging.getLogger("hoshikage.runner")
STOP_S: Final = 30.0
"""A decode on a slow machine may take seconds where the backend has no abort callback."""


class EmbeddedHost:
    """Runs the engine within a program, for tests and for debugging, too: a crash of the library ends the whole
    process."""

    def __init__(
        self, library: Path, log_level: int, on_event: Callable[[wire.Event], None], layouts: Path | None = None
    ) -> None:
        """`layouts` is the file with the library's calibrated layouts, where it has some."""
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event
        self._worker = Worker(library, self._deliver, log_level, partial(read, layouts))

    @property
    def pid(self) -> int:
        return os.getpid()

    async def start(self) -> None:
        self._worker.start()

    def send(self, command: wire.Command) -> None:
        if isinstance(command, wire.Cancel):
            self._worker.cancel(command.job)
        else:
            self._worker.submit(command)

    def kill(self, reason: str) -> None:
        """A thread cannot be ended by force: it is told to stop, and its jobs go on waiting for it."""
        self._worker.stop()

    async def stop(self) -> None:
        """Waits until the engine thread has ended, but no longer than STOP_S: a thread in the library may never end."""
        self._worker.stop()
        await asyncio.to_thread(self._worker.join, STOP_S)
        if self._worker.is_alive():
            log.warning("the engine thread has not ended in %g s; it is left behind", STOP_S)

    def _deliver(self, event: wire.Event) -> None:
        self._loop.call_soon_threadsafe(self._on_event, event)
