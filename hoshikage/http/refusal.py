"""Refuses for want of room, which costs next to nothing: prepared bytes, one in each pass of the loop. Event loop.

Who is refused comes again, and many do at once. So that they take no time from those who are served, a refusal is made
once and sent often, and between two of them the loop looks at what the runner says.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from hoshikage.errors import HoshikageError
from hoshikage.frozen import Frozen

LOG_EVERY_S: Final = 1.0
MAX_KEPT: Final = 64
NO_ID: Final = b"req_" + b"-" * 24
"""Stands in prepared bytes for the id of a request, and is as long as one."""
log: Final = logging.getLogger("hoshikage.access")


class Form(Frozen, frozen=True):
    """An error's body looks like this to one reader."""

    name: str
    encode: Callable[[HoshikageError, str], bytes]
    """`encode` makes the body of an error, with a request id."""


class Prepared(web.StreamResponse):
    """The bytes of such an answer are there already, head and all."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(status=status)
        self._content = content

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        self._keep_alive = request.keep_alive
        if request.transport is not None:
            request.transport.write(self._content)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass


class Refusals:
    """Makes each refusal once, and lets them go one by one."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], bytes] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._untold: Counter[str] = Counter()

    async def answer(self, request: web.Request, error: HoshikageError, form: Form, request_id: str) -> Prepared:
        """Gives the refusal in its turn."""
        await self._turn()
        return Prepared(error.status, self.content(error, form, request_id, keep_alive=request.keep_alive))

    def content(self, error: HoshikageError, form: Form, request_id: str, *, keep_alive: bool) -> bytes:
        """Returns the whole answer; it counts as given."""
        self._tell(error.code)
        key = (error.key, error.retry_after, *error.details.values(), form.name, keep_alive)
        made = self._made.get(key)
        if made is None:
            while len(self._made) >= MAX_KEPT:
                del self._made[next(iter(self._made))]
            made = self._made[key] = _head(error, keep_alive, form.encode(error, NO_ID.decode()))
        return made.replace(NO_ID, request_id.encode())

    async def _turn(self) -> None:
        """Waits until this refusal may go: one does in each pass of the loop."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)
        await turn

    def _next(self) -> None:
        turn = self._waiting.popleft()
        if not turn.done():
            turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)

    def _tell(self, code: str) -> None:
        """Writes one line a second for all of them, where others have one each."""
        if not self._untold:
            asyncio.get_running_loop().call_later(LOG_EVERY_S, self._told)
        self._untold[code] += 1

    def _told(self) -> None:
        for code, count in self._untold.items():
            log.info("%d refused: %s", count, code)
        self._untold.clear()


def _head(error: HoshikageError, keep_alive: bool, body: bytes) -> bytes:
    lines = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"x-request-id: {NO_ID.decode()}",
        "Server: hoshikage",
        "Vary: Origin",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
        *([] if error.retry_after is None else [f"Retry-After: {error.retry_after}"]),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
