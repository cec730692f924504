"""Streams one answer as Server-Sent Events: a late commitment to status 200, and comments in silence. Event loop
thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final

from aiohttp import web

from hoshikage.dispatch.client import Waiting
from hoshikage.http.keys import StreamTimeouts

Comment = str | Callable[[], str]
"""A silent stream says this; a callable is asked when it is said."""
log: Final = logging.getLogger("hoshikage.server")
HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


def queued(note: Waiting) -> Comment:
    """Tells the place that the request has when the comment is due."""
    return lambda: f"queue {note.place}"


class _Watch:
    """Closes a connection that has taken nothing from one look to the next."""

    def __init__(self, transport: asyncio.Transport, look_every: float) -> None:
        self._transport = transport
        self._look_every = look_every
        self._wait(None)

    def end(self) -> None:
        self._timer.cancel()

    def _wait(self, before: int | None) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._look_every, self._look, before)

    def _look(self, before: int | None) -> None:
        left = self._transport.get_write_buffer_size()
        if before is not None and left >= before:
            log.info("client takes nothing, %d bytes wait; left", left)
            self._transport.abort()
        else:
            self._wait(left)


class EventStream:
    """This is an async context; leaving it ends the comments. Nothing is sent before `send` or `finish`, or the pace
    commits.

    `comment` is what a silent stream says next, without a line break; SDKs ignore comments. A client that takes
    nothing for too long is left: its connection is closed, and the next write raises ConnectionError.
    """

    def __init__(self, request: web.Request, timeouts: StreamTimeouts, filler: bytes | None = None) -> None:
        """`filler` is what a silent stream says in place of comments, where its form has none."""
        self.response = web.StreamResponse(headers=HEADERS)
        self.committed = False
        """True once the status can no longer be changed."""
        self.comment: Comment = "waiting"
        self._request = request
        self._timeouts = timeouts
        self._filling = filler
        self._opening = asyncio.Lock()
        self._open = False
        self._clock = asyncio.get_running_loop().time
        self._last_sent = 0.0

    async def __aenter__(self) -> EventStream:
        self._filler = asyncio.create_task(self._fill_silence())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._filler.cancel()

    async def send(self, frames: bytes) -> None:
        """Writes whole frames; waits while the client reads too slowly. ConnectionError where it is gone."""
        if not self._open:
            await self._commit()
        self._last_sent = self._clock()
        transport = self._request.transport
        if transport is None or not transport.get_write_buffer_size():  # a write that cannot block
            await self.response.write(frames)
            return
        with self._left_if_stalled(transport):
            await self.response.write(frames)

    async def finish(self, frames: bytes) -> None:
        """Writes the last frames and ends the answer. ConnectionError where the client is gone."""
        self._filler.cancel()  # a comment after the end would garble the connection
        await self.send(frames)
        with self._left_if_stalled(self._request.transport):
            await self.response.write_eof()

    @contextmanager
    def _left_if_stalled(self, transport: asyncio.Transport | None) -> Iterator[None]:
        if transport is None:
            yield
            return
        watch = _Watch(transport, self._timeouts.stalled_after / 2)
        try:
            yield
        finally:
            watch.end()

    async def _commit(self) -> None:
        self.committed = True
        async with self._opening:  # the filler may be at it already
            if not self._open:
                await self.response.prepare(self._request)
                self._open = True

    def _comment(self) -> bytes:
        words = self.comment if isinstance(self.comment, str) else self.comment()
        return f": {words}\n\n".encode()

    async def _fill_silence(self) -> None:
        await asyncio.sleep(self._timeouts.commit_after)
        with suppress(ConnectionError):  # the handler is told by its own write, or by being cancelled
            while True:
                silent = self._clock() - self._last_sent
                if not self._open or silent >= self._timeouts.comment_every:
                    await self.send(self._filling or self._comment())
                    silent = 0.0
                await asyncio.sleep(self._timeouts.comment_every - silent)
