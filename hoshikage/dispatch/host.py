"""Defines what dispatch needs of the place where the engine thread runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hoshikage import wire
from hoshikage.dispatch.crashes import Origin
from hoshikage.frozen import Frozen


class Exit(Frozen, frozen=True):
    """This tells why a runner is gone. `log` is what it last wrote to its standard error; it holds no prompt text."""

    reason: str
    log: tuple[str, ...]
    suspects: tuple[Origin, ...] = ()
    """One of these callers' jobs may have ended the runner; there are none where it ended without a job."""
    overtime: bool = False
    """`overtime` says whether the runner was stopped because it made no progress."""


class Host(Protocol):
    """Events and the exit come to a host's owner through callbacks on the event loop's thread."""

    @property
    def pid(self) -> int: ...

    async def start(self) -> None: ...

    def send(self, command: wire.Command) -> None:
        """Never waits. A command to a host that has ended is dropped: its exit has been or will be told."""

    def kill(self, reason: str) -> None:
        """Ends the host by force; `reason` is told as that of its exit."""

    async def stop(self) -> None:
        """Ends the host and waits until it is gone; its exit is not told."""


HostFactory = Callable[[Path, Callable[[wire.Event], None], Callable[[Exit], None]], Host]
"""A factory makes a Host, not yet started, of the library file, on_event and on_exit."""
