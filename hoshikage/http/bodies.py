"""Bounds the bodies that are being read: so many bytes of them together, and none for ever. Event loop thread.

A body that comes too slowly is given up (RequestTimedOut). Where the bytes of all come to more than there is room for,
only the eldest body is read on; one that then takes its time is given up sooner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from hoshikage import heap
from hoshikage.errors import BodyTooLarge, RequestTimedOut

MAX_BYTES: Final = 4 * 1024 * 1024
"""One body may have this many bytes, pictures and sounds apart."""
MAX_MEDIA_BYTES: Final = 16 * 1024 * 1024
"""The pictures and sounds of one body may have this many bytes, as base64."""
MAX_BYTES_TOGETHER: Final = 32 * 1024 * 1024
"""All bodies that are being read or parsed may hold this many bytes together; the eldest may go beyond it, by one
body."""
LOOK_EVERY_S: Final = 10.0
MIN_RATE: Final = 1024
"""This many bytes a second must come of a body, from one look to the next."""
MAX_BODY_S: Final = 120.0
"""A body may take this many seconds from its beginning to its end, however fast it comes."""
CROWDED_S: Final = 5.0
"""A body may take this many seconds while others wait for room."""
LATE_S: Final = 1.0
"""A timer that comes so much later than it should says that this process did not run, and nothing about a client."""
LARGE: Final = 1024 * 1024
"""From so many bytes of a body on memory is worth giving back."""
TRIM_AFTER_S: Final = 0.5
log: Final = logging.getLogger("hoshikage.http")


class _Body:
    """This is one body that is being read."""

    def __init__(self, request: web.Request, now: float) -> None:
        self.request = request
        self.began = now
        self.size = 0
        self.room: asyncio.Future[None] | None = None
        """It waits for this future; nothing is asked of its client meanwhile."""
        self.reads = True
        self.watch: asyncio.TimerHandle | None = None
        self.pushing: asyncio.TimerHandle | None = None
        """It asks others to make room when this timer ends."""

    def give_up(self, why: str) -> None:
        """Its reader is told by RequestTimedOut."""
        if self.reads and self.request.content.exception() is None:
            log.info("a request's body: %s; left", why)
            self.request.content.set_exception(RequestTimedOut("http.body_slow"))


class Bodies:
    """Bodies counts the bytes of all bodies that are being read or worked on."""

    def __init__(self) -> None:
        self.held = 0
        """All bodies hold this many bytes now."""
        self._open: dict[_Body, None] = {}
        """The open bodies stand in the order in which they began."""
        self._trim: asyncio.TimerHandle | None = None
        self._trimming: asyncio.Future[None] | None = None

    @asynccontextmanager
    async def of(self, request: web.Request, limit: int = MAX_BYTES) -> AsyncIterator[bytes]:
        """Gives the whole body, until the block ends. Raises BodyTooLarge, RequestTimedOut, what aiohttp's stream
        raises."""
        body = _Body(request, asyncio.get_running_loop().time())
        self._open[body] = None
        self._watch(body)
        try:
            yield await self._read(body, limit)
        finally:
            self._ended(body)
            del self._open[body]
            self.held -= body.size
            if body.size >= LARGE:
                self.trim_soon()
            self._wake()

    def trim_soon(self) -> None:
        """Large bodies, or what was made of them, are not needed any more."""
        if self._trim is None:
            self._trim = asyncio.get_running_loop().call_later(TRIM_AFTER_S, self._trim_now)

    async def _read(self, body: _Body, limit: int) -> bytes:
        content = body.request.content
        parts: list[bytes] = []
        while part := await content.readany():
            body.size += len(part)
            self.held += len(part)
            if body.size > limit:
                raise BodyTooLarge("http.body_too_large", limit=limit)
            parts.append(part)
            if self._is_crowded(body):
                await self._wait_for_room(body)
        self._ended(body)
        return b"".join(parts)

    def _is_crowded(self, body: _Body) -> bool:
        return self.held > MAX_BYTES_TOGETHER and next(iter(self._open)) is not body

    async def _wait_for_room(self, body: _Body) -> None:
        loop = asyncio.get_running_loop()
        body.room = loop.create_future()
        body.pushing = loop.call_later(CROWDED_S, self._push, body)
        try:
            await body.room
        finally:
            body.pushing.cancel()
            body.room = None

    def _wake(self) -> None:
        for body in self._open:
            if body.room is not None and not body.room.done() and not self._is_crowded(body):
                body.room.set_result(None)

    def _push(self, waiting: _Body) -> None:
        """Somebody has waited long enough for room: who holds it and has had the time to end is given up."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        assert waiting.pushing is not None
        if now - waiting.pushing.when() > LATE_S:
            waiting.pushing = loop.call_later(CROWDED_S, self._push, waiting)
            return
        for body in tuple(self._open):
            if body.room is None and now - body.began >= CROWDED_S:
                body.give_up("others wait for its room")

    def _watch(self, body: _Body) -> None:
        came = body.request.content.total_bytes
        body.watch = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look, body, came)

    def _look(self, body: _Body, before: int) -> None:
        came, now = body.request.content.total_bytes, asyncio.get_running_loop().time()
        assert body.watch is not None
        if (late := now - body.watch.when()) > LATE_S:
            body.began += late
            self._watch(body)
        elif body.room is None and came - before < MIN_RATE * LOOK_EVERY_S:
            body.give_up("it comes too slowly")
        elif now - body.began >= MAX_BODY_S:
            body.give_up("it takes too long")
        else:
            self._watch(body)

    def _ended(self, body: _Body) -> None:
        body.reads = False
        if body.watch is not None:
            body.watch.cancel()

    def _trim_now(self) -> None:
        self._trim = None
        self._trimming = asyncio.get_running_loop().run_in_executor(None, heap.trim)
