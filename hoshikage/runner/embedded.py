"""Hosts the engine thread inside this process (ENGINE=thread). Created and called on the event loop's thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hoshikage import wire
from hoshikage.engine.worker import Worker
from hoshikage.runner.calibrated import read


class EmbeddedHost:
    """For embedding in a program, for tests and for debugging: a crash of the library ends the whole process."""

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
        self._worker.stop()
        await asyncio.to_thread(self._worker.join)

    def _deliver(self, event: wire.Event) -> None:
        self._loop.call_soon_threadsafe(self._on_event, event)
