"""Hosts the engine in a runner process that was started before this program began: by the sleeper, in the moment of
waking. Event loop only, on the main thread."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

from hoshikage import wire
from hoshikage.dispatch.host import Exit
from hoshikage.dispatch.process import STDERR, ProcessHost
from hoshikage.frozen import Frozen


class HandedProcess(Frozen, frozen=True):
    """This is a child of this process with the descriptors that its parent has of it."""

    pid: int
    handle: int
    """`handle` is its pidfd."""
    commands: int
    events: int
    errors: int

    def end(self) -> None:
        """Ends it where nobody has taken it over."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        for one in (self.handle, self.commands, self.events, self.errors):
            os.close(one)


class HandedHost(ProcessHost):
    """This is one such process, from its taking over to its exit."""

    def __init__(
        self, process: HandedProcess, on_event: Callable[[wire.Event], None], on_exit: Callable[[Exit], None]
    ) -> None:
        super().__init__(Path(), 0, on_event, on_exit)
        self._handed = process

    async def start(self) -> None:
        process = _Process(self._handed, partial(self.connection_lost, None))
        self._process = cast(asyncio.SubprocessTransport, process)
        self._commands = await process.open(self._received, partial(self.pipe_data_received, STDERR))


class _Pipe(asyncio.Protocol):
    def __init__(self, received: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._received = received
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()


class _Process:
    """Does what a ProcessHost asks of asyncio's transport, which can only be had of a process that asyncio starts."""

    def __init__(self, handed: HandedProcess, ended: Callable[[], None]) -> None:
        """`ended` is called when the process is gone and the last of its events has been read."""
        self._handed = handed
        self._ended = ended
        self._code: int | None = None
        self._open = 3  # the process, and two pipes to read from
        self._commands: asyncio.WriteTransport | None = None

    async def open(self, events: Callable[[bytes], None], errors: Callable[[bytes], None]) -> asyncio.WriteTransport:
        """Returns what commands are written to."""
        loop = asyncio.get_running_loop()
        handed = self._handed
        loop.add_reader(handed.handle, self._reap)
        for descriptor, received in ((handed.events, events), (handed.errors, errors)):
            pipe = partial(_Pipe, received, self._part_ended)
            await loop.connect_read_pipe(pipe, os.fdopen(descriptor, "rb", 0))
        opened = os.fdopen(handed.commands, "wb", 0)
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, opened)
        self._commands = transport
        return transport

    def get_pid(self) -> int:
        return self._handed.pid

    def get_returncode(self) -> int | None:
        return self._code

    def kill(self) -> None:
        if self._code is None:  # until it is reaped its number is nobody else's
            os.kill(self._handed.pid, signal.SIGKILL)

    def close(self) -> None:
        if self._commands is not None:
            self._commands.close()

    def _reap(self) -> None:
        pid, status = os.waitpid(self._handed.pid, os.WNOHANG)
        if pid == 0:
            return
        self._code = os.waitstatus_to_exitcode(status)
        asyncio.get_running_loop().remove_reader(self._handed.handle)
        os.close(self._handed.handle)
        self._part_ended()

    def _part_ended(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._ended()
