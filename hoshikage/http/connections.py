"""Open connections and their bounds: how many, and how long one may keep silent. Event loop thread.

Whoever opens connections and says nothing costs the server a file descriptor each. At the limit the one that has
been silent longest makes room for the next, so that idle connections cannot keep anybody out.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_request import BaseRequest

from hoshikage.http.paths import respelt
from hoshikage.settings import Settings

HEADER_S: Final = 10.0
"""From the connection to the end of its first request's header, TLS included."""
BODY_S: Final = 30.0
"""So long may nothing come of a body that was announced."""
KEEPALIVE_S: Final = 30.0
"""From the end of an answer to the end of the next request's header."""
BACKLOG: Final = 64
BESIDE_QUEUE: Final = 512
"""Connections beside those whose requests wait in the queue."""
RESERVED_FILES: Final = 64
"""File descriptors for everything but connections."""
LEAST: Final = 16
MAX_FILES: Final = (65_536, 10_240)
"""What to ask for where the hard limit is higher or none; macOS takes no more than the second."""
OUT_OF_FILES: Final = "socket.accept() out of system resource"
"""How asyncio's message begins; it repeats it for every try to accept."""
TOLD_EVERY_S: Final = 60.0
log: Final = logging.getLogger("hoshikage.http")


class Connection(web.RequestHandler):
    """One connection of a client. It counts from the moment it is accepted, before TLS has been agreed on."""

    __slots__ = ("_first", "_heard", "_house")

    def __init__(self, house: HttpRunner, manager: web.Server, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._house = house
        self._heard = False
        self._first = loop.call_later(HEADER_S, self.leave)
        house.open[self] = None

    @property
    def silent(self) -> bool:
        """Whether no request has come by it yet."""
        return not self._heard

    def heard(self) -> None:
        """A request's header is complete."""
        self._heard = True
        self._first.cancel()

    def leave(self) -> None:
        """Closes it at once."""
        self._first.cancel()
        self._house.open.pop(self, None)
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self not in self._house.open:  # it was left while TLS was still being agreed on
            self.leave()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._first.cancel()
        self._house.open.pop(self, None)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """To malformed HTTP. Strangers are not told which versions run here."""
        answer = super().handle_error(request, status, exc, message)
        answer.headers["Server"] = "hoshikage"
        return answer


class _Surplus(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class HttpRunner(web.AppRunner):
    """Runs the app with a bounded number of connections. `options` are those of aiohttp's request handler."""

    def __init__(
        self, app: web.Application, limit: int, *, shutdown_timeout: float, prefix: str = "", **options: Any
    ) -> None:
        """`prefix` is what paths may begin with beside the routes' own (API_PREFIX)."""
        super().__init__(app, handler_cancellation=True, shutdown_timeout=shutdown_timeout, **options)
        self._prefix = prefix
        self.open: dict[Connection, None] = {}
        """In the order in which they came."""
        self._limit = limit
        self._options = options

    async def setup(self) -> None:
        """As aiohttp's; the requests of its server have their paths respelt before anything looks at them."""
        await super().setup()
        server = self.server
        assert server is not None
        make = server.request_factory

        def made(message: RawRequestMessage, *more: Any) -> BaseRequest:
            return make(respelt(message, self._prefix), *more)

        server.request_factory = made

    def connect(self) -> asyncio.Protocol:
        """What speaks to the client of a connection that was just accepted."""
        if len(self.open) >= self._limit:
            oldest = next((one for one in self.open if one.silent), None)
            if oldest is None:
                return _Surplus()
            oldest.leave()
        manager = self.server
        assert manager is not None
        return Connection(self, manager, asyncio.get_running_loop(), keepalive_timeout=KEEPALIVE_S, **self._options)


class Site(web.BaseSite):
    """Where connections come from: an address, or a socket that is open already."""

    def __init__(
        self,
        running: HttpRunner,
        place: tuple[str, int] | socket.socket,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(running, ssl_context=tls, backlog=BACKLOG)
        self._running = running
        self._place = place
        self._tls = tls

    @property
    def name(self) -> str:
        return str(self._place)

    async def start(self) -> None:
        await super().start()
        place: dict[str, Any]
        place = (
            {"sock": self._place}
            if isinstance(self._place, socket.socket)
            else {"host": self._place[0], "port": self._place[1]}
        )
        if self._tls is not None:
            place |= {"ssl": self._tls, "ssl_handshake_timeout": HEADER_S}
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._running.connect, backlog=BACKLOG, **place)


def limit(settings: Settings, files: int | None) -> int:
    """How many connections may be open where so many `files` may be (None: any number)."""
    wanted = BESIDE_QUEUE + settings.queue_size
    return wanted if files is None else max(LEAST, min(wanted, files - RESERVED_FILES))


def files() -> int | None:
    """How many files this process may have open at a time; None where nothing tells."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_files() -> None:
    """As many open files as this user may have without asking anyone."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for maximum in MAX_FILES:
        wanted = maximum if hard == resource.RLIM_INFINITY else min(hard, maximum)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


class Shortage:
    """The loop's handler of exceptions: of a lack of files it tells once a minute, where asyncio would again and
    again with a traceback."""

    def __init__(self) -> None:
        self._told = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not str(context.get("message", "")).startswith(OUT_OF_FILES):
            loop.default_exception_handler(context)
        elif loop.time() - self._told >= TOLD_EVERY_S:
            self._told = loop.time()
            log.warning("no connection can be accepted just now: %s", context.get("exception"))


@contextmanager
def watched_body(request: web.Request) -> Iterator[None]:
    """Closes the connection of a client that announced a body and sends nothing more of it."""
    if not request.body_exists or request.content.is_eof():
        yield
        return
    watch = _BodyWatch(request)
    try:
        yield
    finally:
        watch.end()


class _BodyWatch:
    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._wait()

    def end(self) -> None:
        self._timer.cancel()

    def _wait(self) -> None:
        came = self._request.content.total_bytes
        self._timer = asyncio.get_running_loop().call_later(BODY_S, self._look, came)

    def _look(self, before: int) -> None:
        content, transport = self._request.content, self._request.transport
        if content.is_eof() or transport is None:
            return
        if content.total_bytes > before:
            self._wait()
            return
        log.info("nothing more came of a request's body; left")
        transport.abort()
