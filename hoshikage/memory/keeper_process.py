"""Runs the keeper as the server sees it: started when it is first asked, ended when nobody has asked for a while.

Event loop only, on the main thread (Linux ends a child with the thread that started it).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, TypeVar

from hoshikage.dispatch.process import passed_on
from hoshikage.errors import Unavailable
from hoshikage.keeper import frames
from hoshikage.runner.launch import command

logger: Final = logging.getLogger("hoshikage.memory")
Answered = TypeVar("Answered", bound=frames.KeeperFrame)
KEPT_LINES: Final = 20
ANSWER_S: Final = 20.0
"""So long may an answer take that somebody waits for, with the start of the process where there is none."""
STOP_S: Final = 5.0
"""So long may it take to finish what it is about, once it is told to end."""
QUIET: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
"""The keeper computes on one core, for a model may be answering on the others; and nothing is told or fetched
anywhere."""


class KeeperProcess:
    """There is one process at a time. Questions are answered in the order in which they came."""

    def __init__(self, idle_s: float) -> None:
        """The process is ended `idle_s` seconds after the last answer; 0 keeps it."""
        self._idle_s = idle_s
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._log_reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[frames.Reply]] = {}
        self._number = 0
        self._log: deque[str] = deque(maxlen=KEPT_LINES)
        self._starting = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Returns the process's id; None while there is no process."""
        return None if self._process is None else self._process.pid

    async def ask(
        self, make: Callable[[int], frames.Ask], kind: type[Answered], within: float | None = ANSWER_S
    ) -> Answered:
        """Returns the answer to what `make` makes of a number, `within` so many seconds. Raises HoshikageError: what
        the keeper refused it with, or Unavailable where the process ended or is too slow."""
        try:
            return await asyncio.wait_for(self._ask(make, kind), within)
        except asyncio.TimeoutError:
            raise Unavailable("remember.too_slow", ms=int((within or 0) * 1e3)) from None

    async def _ask(self, make: Callable[[int], frames.Ask], kind: type[Answered]) -> Answered:
        self._hold()
        await self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        self._number += 1
        number = self._number
        future: asyncio.Future[frames.Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._process.stdin.write(frames.encode(make(number)))
            with contextlib.suppress(ConnectionError):  # the reader tells what became of it
                await self._process.stdin.drain()
            reply = await future
        finally:
            self._waiting.pop(number, None)
            self._rest()
        if isinstance(reply, frames.Refused):
            raise reply.error()
        if not isinstance(reply, kind):
            raise Unavailable("remember.keeper_gone", reason=type(reply).__name__)
        return reply

    async def start(self) -> None:
        """Starts the process where there is none. Raises Unavailable."""
        async with self._starting:
            if self._process is not None:
                return
            arguments = command("hoshikage.keeper.main")
            environ = {**passed_on(os.environ), **QUIET}
            try:
                process = await asyncio.create_subprocess_exec(
                    *arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=environ,
                )
            except OSError as error:
                raise Unavailable("remember.keeper_gone", reason=error.strerror or str(error)) from None
            self._process = process
            self._reader = _beside(self._read(process))
            self._log_reader = _beside(self._read_log(process))

    async def stop(self) -> None:
        """Ends the process: it finishes what it is about, and is killed where that takes too long."""
        self._hold()
        async with self._starting:
            process, self._process = self._process, None
            if process is None:
                return
            assert process.stdin is not None
            process.stdin.close()
            await _ended(process)
        for task in (self._reader, self._log_reader):
            if task is not None:
                await task

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            while True:
                header = await process.stdout.readexactly(frames.HEADER_BYTES)
                reply = frames.decode_reply(await process.stdout.readexactly(frames.body_length(header)))
                future = self._waiting.get(reply.number)
                if future is not None and not future.done():
                    future.set_result(reply)
        status = await _ended(process)
        if self._process is process:  # it ended by itself
            self._process = None
            logger.error("the keeper ended with status %s: %s", status, " | ".join(self._log))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Unavailable("remember.keeper_gone", reason=f"exit status {status}"))

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._log.append(line.decode("utf-8", "replace").rstrip()[:500])

    def _hold(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        self._hold()
        if self._idle_s > 0 and not self._waiting:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._idle_out, context=Context())

    def _idle_out(self) -> None:
        self._ending = asyncio.create_task(self.stop())


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Returns the exit status of a process that should be ending; it is killed where that takes too long."""
    try:
        return await asyncio.wait_for(process.wait(), STOP_S)
    except asyncio.TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


def _beside(work: Any) -> asyncio.Task[None]:
    """Starts a task in a context of its own: what it logs is not the last request's doing."""
    return Context().run(asyncio.get_running_loop().create_task, work)
