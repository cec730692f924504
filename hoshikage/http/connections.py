"""Bounds open connections: how many, whose, and how long one may keep silent. Event loop thread.

Whoever opens connections costs the server a file descriptor each. At the limit the one that has been without a request
for longest makes room for the next, so that connections that do nothing keep nobody out. A part of them is kept for
this machine and for callers with a token: requests of others never take it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.web_request import BaseRequest

from hoshikage.errors import InvalidRequest, RequestTimedOut, Unavailable
from hoshikage.http import error_response
from hoshikage.http.handshake import Handshake
from hoshikage.http.keys import REFUSALS, REQUEST_ID, SETTINGS, new_request_id
from hoshikage.http.origin_policy import is_loopback
from hoshikage.http.paths import plain, respelt
from hoshikage.settings import Settings

if TYPE_CHECKING:  # a server without TLS imports no OpenSSL
    import ssl

HEADER_S: Final = 30.0
"""A connection may take this many seconds to the end of its first request's header, TLS included. A client on a busy
machine takes its time, and at the limit who says nothing goes first anyway."""
LATE_S: Final = 1.0
"""A timer that comes so much later than it should says that this process did not run, and nothing about a client."""
KEEPALIVE_S: Final = 30.0
"""A connection may take this many seconds from the end of an answer to the end of the next request's header."""
WAITING: Final = 512
"""So many connections may wait to be accepted: beyond it the system drops them, and their clients try again after 1
s."""
BACKLOG: Final = 64
"""Connections that are accepted in one pass of the loop, before the first of them is counted."""
BESIDE_QUEUE: Final = 512
"""There may be so many connections beside those whose requests wait in the queue."""
RESERVED_FILES: Final = 64
"""So many file descriptors are kept for everything but connections."""
MIN_CONNECTIONS: Final = 16
KEPT: Final = 8
"""One in so many connections is kept for this machine and for callers with a token."""
MAX_SURPLUS: Final = 32
"""So many connections beyond the limit may be open while they are told so."""
SURPLUS_S: Final = 1.0
"""Telling one surplus connection takes this many seconds at most."""
RETRY_AFTER_S: Final = 1
LINE_BYTES: Final = 256
"""This many bytes of a request's beginning are read, to tell by its path in whose form a refusal is."""
MAX_FILES: Final = (65_536, 10_240)
"""So many files are asked for where the hard limit is higher or none; macOS takes no more than the second."""
OUT_OF_FILES: Final = "socket.accept() out of system resource"
"""asyncio's message begins like this; it repeats it for every try to accept."""
LOG_EVERY_S: Final = 60.0
BROKEN_BODY: Final = (web.RequestPayloadError, HttpProcessingError, RequestTimedOut, ConnectionError)
"""One of these is raised where a body is read on that its client got wrong."""
log: Final = logging.getLogger("hoshikage.http")


class Connection(web.RequestHandler):
    """This is one connection of a client. It counts from the moment it is accepted, before TLS has been agreed on."""

    __slots__ = ("_first", "_house", "_line", "asks", "known")

    def __init__(self, house: HttpRunner, manager: web.Server, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._house = house
        self._first = loop.call_later(HEADER_S, self._header_is_due)
        self._line = b""
        """`_line` is the beginning of what comes while no request is in progress."""
        self.asks = False
        """`asks` tells whether a request is in progress: its header is here, and its answer has not gone out."""
        self.known = False
        """Whether it is of this machine, or its caller has shown a token."""
        house.open[self] = None

    @property
    def rests(self) -> bool:
        return not self.asks and not self._messages

    @property
    def kind(self) -> str:
        """The kind is `tls`, `unix` or `plain`."""
        assert self.transport is not None
        if self.transport.get_extra_info("sslcontext") is not None:
            return "tls"
        return "plain" if isinstance(self.transport.get_extra_info("sockname"), tuple) else "unix"

    @property
    def descriptor(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("socket").fileno())

    @property
    def may_be_kept(self) -> bool:
        """Tells whether another program could go on with it: nothing was read of a request, and nothing is
        encrypted."""
        ready = self.transport is not None and not self.transport.is_closing() and not self._line
        return ready and self.rests and self.kind != "tls"

    def require_room(self, known: bool) -> None:
        """Raises Unavailable where the request of a stranger would take what is kept for others."""
        self.known = self.known or known
        if not self.known and self._house.strangers > self._house.limit_of_strangers:
            raise full()

    def _header_is_due(self) -> None:
        """Leaves who has sent no header in time; what came while this process did not run has yet to be read."""
        if self._messages:
            return  # a request that waits for its turn
        loop = asyncio.get_running_loop()
        if loop.time() - self._first.when() > LATE_S:
            self._first = loop.call_later(HEADER_S, self._header_is_due)
        else:
            self.leave()

    def leave(self) -> None:
        """Closes it at once."""
        self._first.cancel()
        self._house.open.pop(self, None)
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self.known = not isinstance(peer, tuple) or is_loopback(peer[0])
        super().connection_made(transport)
        if self not in self._house.open:  # it was left while TLS was still being agreed on
            self.leave()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._first.cancel()
        self._house.open.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.asks and len(self._line) < LINE_BYTES:
            self._line += data[:LINE_BYTES]
        super().data_received(data)

    async def _handle_request(self, request: BaseRequest, *rest: Any) -> tuple[web.StreamResponse, bool]:
        self._first.cancel()
        self.asks = True
        try:
            return await super()._handle_request(request, *rest)
        finally:
            self.asks = False
            self._line = b""
            if self._house.open.pop(self, self) is None:
                self._house.open[self] = None  # the last of those that rest

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers malformed HTTP, in the form of the route's family. Strangers are not told which versions run here."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer has gone out")
        error: Exception = InvalidRequest("http.bad_request")
        if status >= 500:
            error = exc if isinstance(exc, Exception) else RuntimeError(message or "no answer")
        return self._house.malformed(error, self._line)

    def log_exception(self, *args: Any, **options: Any) -> None:
        """What a client has done wrong with its body is one line, and none of its bytes."""
        error = options.get("exc_info")
        if isinstance(error, BROKEN_BODY):
            log.info("a request's body: %s; left", type(error).__name__)
        else:
            super().log_exception(*args, **options)


class Surplus(asyncio.Protocol):
    """For such a connection there is no room: it is told so, and has a moment to read that."""

    def __init__(self, house: HttpRunner) -> None:
        self._house = house
        self._transport: asyncio.Transport | None = None
        self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        while len(self._house.surplus) >= MAX_SURPLUS:
            next(iter(self._house.surplus)).leave()
        self._house.surplus[self] = None
        self._end = asyncio.get_running_loop().call_later(SURPLUS_S, self._out_of_time)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end.cancel()
        self._house.surplus.pop(self, None)

    def data_received(self, data: bytes) -> None:
        """Says so and reads on what the client still sends: closed over unread bytes, it would be reset instead."""
        self._tell(data[:LINE_BYTES])

    def leave(self) -> None:
        self._house.surplus.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def _tell(self, line: bytes) -> None:
        if self._told or self._transport is None:
            return
        self._told = True
        self._transport.write(self._house.refusal(line))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _out_of_time(self) -> None:
        self._tell(b"")
        if self._transport is not None:
            self._transport.close()


class HttpRunner(web.AppRunner):
    """Runs the app with a bounded number of connections. `options` are those of aiohttp's request handler."""

    def __init__(
        self, app: web.Application, limit: int, *, shutdown_timeout: float, prefix: str = "", **options: Any
    ) -> None:
        """`prefix` is what paths may begin with beside the routes' own (API_PREFIX)."""
        super().__init__(app, handler_cancellation=True, shutdown_timeout=shutdown_timeout, **options)
        self._prefix = prefix
        self.open: dict[Connection, None] = {}
        """The connections without a request stand in the order in which they came or had their last answer."""
        self.surplus: dict[Surplus, None] = {}
        self._limit = limit
        self._options = options

    async def setup(self) -> None:
        """Sets up aiohttp's server, whose requests have their paths respelt before anything looks at them."""
        await super().setup()
        server = self.server
        assert server is not None
        make = server.request_factory

        def made(message: RawRequestMessage, *more: Any) -> BaseRequest:
            return make(respelt(message, self._prefix), *more)

        server.request_factory = made

    @property
    def own_sites(self) -> list[Site]:
        return [site for site in self.sites if isinstance(site, Site)]

    @property
    def strangers(self) -> int:
        """Counts the requests in progress of callers who are not known."""
        return sum(one.asks and not one.known for one in self.open)

    @property
    def limit_of_strangers(self) -> int:
        return self._limit - max(1, self._limit // KEPT)

    def connect(self, tls: ssl.SSLContext | None = None) -> asyncio.Protocol:
        """Makes what speaks to the client of a connection that was just accepted; with `tls`, once that is agreed
        on."""
        spoken = self._spoken()
        return spoken if tls is None else Handshake(spoken, spoken.leave, tls, HEADER_S)

    def _spoken(self) -> Connection | Surplus:
        if len(self.open) >= self._limit:
            resting = [one for one in self.open if one.rests]
            if not resting:
                return Surplus(self)
            next((one for one in resting if not one.known), resting[0]).leave()
        manager = self.server
        assert manager is not None
        return Connection(self, manager, asyncio.get_running_loop(), keepalive_timeout=KEEPALIVE_S, **self._options)

    def malformed(self, error: Exception, line: bytes) -> web.Response:
        """Answers what never became a request; the connection ends with it."""
        language, path = self.app[SETTINGS].lang, plain(path_of(line), self._prefix)
        REQUEST_ID.set(new_request_id())
        answer = error_response.response_for(self.app, path, error_response.record(error), language)
        answer.headers["x-request-id"] = REQUEST_ID.get()
        answer.headers["Server"] = "hoshikage"
        answer.force_close()
        return answer

    def refusal(self, line: bytes) -> bytes:
        """Returns the answer to a connection for which there is no room."""
        path = plain(path_of(line), self._prefix)
        form = error_response.form(self.app, path, self.app[SETTINGS].lang)
        return self.app[REFUSALS].content(full(), form, new_request_id(), keep_alive=False)


def full() -> Unavailable:
    return Unavailable("http.connections_full", retry_after=RETRY_AFTER_S)


def path_of(line: bytes) -> str:
    """Returns the path of a request's first line, as far as there is one."""
    words = line.partition(b"\r")[0].split(b" ")
    return words[1].partition(b"?")[0].decode("latin-1") if len(words) > 1 else ""


class Site(web.BaseSite):
    """A Site is where connections come from: an address, or a socket that is open already."""

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

    def kept(self) -> list[tuple[int, str]]:
        """Lists further descriptors of its listening sockets, and their kinds, as of connections."""
        assert isinstance(self._server, asyncio.Server)
        kinds = [
            (one, "unix" if one.family == getattr(socket, "AF_UNIX", None) else "plain") for one in self._server.sockets
        ]
        return [(os.dup(one.fileno()), "tls" if self._tls is not None else kind) for one, kind in kinds]

    async def start(self) -> None:
        await super().start()
        place: dict[str, Any]
        place = (
            {"sock": self._place}
            if isinstance(self._place, socket.socket)
            else {"host": self._place[0], "port": self._place[1]}
        )
        loop = asyncio.get_running_loop()
        connect = partial(self._running.connect, self._tls)
        self._server = await loop.create_server(connect, backlog=BACKLOG, **place)
        for one in self._server.sockets:
            with socket.fromfd(one.fileno(), one.family, one.type) as same:
                same.listen(WAITING)


def limit(settings: Settings, files: int | None) -> int:
    """Returns how many connections may be open where so many `files` may be (None: any number)."""
    wanted = BESIDE_QUEUE + settings.queue_size
    return wanted if files is None else max(MIN_CONNECTIONS, min(wanted, files - RESERVED_FILES))


def files() -> int | None:
    """Returns how many files this process may have open at a time; None where nothing tells."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_files() -> None:
    """Raises this process's limit on open files as far as this user may without asking anyone."""
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
    """The loop handles exceptions by this: of a lack of files it tells once a minute, where asyncio would again and
    again with a traceback."""

    def __init__(self) -> None:
        self._told = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not str(context.get("message", "")).startswith(OUT_OF_FILES):
            loop.default_exception_handler(context)
        elif loop.time() - self._told >= LOG_EVERY_S:
            self._told = loop.time()
            log.warning("no connection can be accepted just now: %s", context.get("exception"))
