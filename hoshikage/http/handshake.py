"""Agrees on TLS with a client that was just accepted, and ends a connection at once where that fails. Event loop
thread.

asyncio can do it alone, but tells nobody of a failure: what never spoke HTTP would count as a connection until its time
for a first request is over, and would keep the server awake.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # a server without TLS imports no OpenSSL
    import ssl

log: Final = logging.getLogger("hoshikage.http")


class Handshake(asyncio.Protocol):
    """This stands in for what speaks to the client until both have agreed."""

    def __init__(
        self, spoken: asyncio.Protocol, leave: Callable[[], None], tls: ssl.SSLContext, seconds: float
    ) -> None:
        """`spoken` speaks to the client afterwards; `leave` is called instead where they do not agree. It may take so
        many `seconds`."""
        self._spoken = spoken
        self._leave = leave
        self._tls = tls
        self._seconds = seconds
        self._early: list[bytes] = []
        """`_early` came with the last of the handshake, before whom it is for could know its transport."""
        self._agreed = self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()  # all that comes is for TLS
        self._task = asyncio.get_running_loop().create_task(self._agree(transport))

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._agreed:
            self._spoken.connection_lost(exc)

    async def _agree(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        transport.resume_reading()  # start_tls pauses it again: a pause that early is forgotten in Python 3.10
        try:
            secured = await loop.start_tls(
                transport, self, self._tls, server_side=True, ssl_handshake_timeout=self._seconds
            )
        except OSError as error:  # as all are that TLS and sockets raise
            log.debug("TLS could not be agreed on: %s", type(error).__name__)
            secured = None
        if secured is None or self._lost:
            self._leave()
            return
        self._agreed = True
        assert isinstance(secured, asyncio.Transport)
        secured.set_protocol(self._spoken)
        self._spoken.connection_made(secured)
        for data in self._early:
            self._spoken.data_received(data)
