"""Runs an event loop for a command that needs one for a while: asyncio.Runner, also on Python 3.10. Main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Loop(Protocol):
    """A command runs what is asynchronous on it."""

    def run(self, coro: Coroutine[Any, Any, Any], /) -> Any:
        """Runs it to its end; Ctrl-C cancels it."""


def event_loop() -> AbstractContextManager[Loop]:
    return asyncio.Runner() if hasattr(asyncio, "Runner") else _Loop()


class _Loop:
    """This is asyncio.Runner as far as it is needed, for Python 3.10."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.set_event_loop(None)
        self._loop.close()

    def run(self, coro: Coroutine[Any, Any, Any], /) -> Any:
        task = self._loop.create_task(coro)
        try:
            return self._loop.run_until_complete(task)
        except KeyboardInterrupt:
            task.cancel()
            self._loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
            raise
