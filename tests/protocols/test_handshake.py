"""Tests how TLS is agreed on: what fails ends at once and counts no more, what comes early is not lost."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hoshikage.http import connections, listeners
from hoshikage.http.keys import TLS
from hoshikage.protocols import app
from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.certificates import self_signed
from tests.protocols.conftest import GatedDispatcher

pytestmark = pytest.mark.process
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PATIENCE_S = connections.HEADER_S / 2


class Client:
    """This is one end of a TLS connection whose bytes the test carries."""

    def __init__(self, trusted: Path) -> None:
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(trusted))
        self.tls = context.wrap_bio(self.came, self.goes, server_hostname="localhost")

    def hello(self) -> bytes:
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.goes.read()

    def ask_with_the_last_of_the_handshake(self, port: int) -> bytes:
        """Returns how the answer to HEALTH begins."""
        with socket.create_connection(("127.0.0.1", port), 20) as line:
            line.sendall(self.hello())
            while True:
                self.came.write(line.recv(65536))
                with suppress(ssl.SSLWantReadError):
                    self.tls.do_handshake()
                    break
            self.tls.write(HEALTH)
            line.sendall(self.goes.read())
            while True:
                self.came.write(line.recv(65536))
                with suppress(ssl.SSLWantReadError):
                    return self.tls.read(65536)


class Secured:
    """This is a server with TLS, seen from within."""

    def __init__(self, running: connections.HttpRunner, certificate: Path) -> None:
        self.running = running
        self.certificate = certificate
        self.left = asyncio.Event()
        """It is set when a connection was left."""

    @property
    def port(self) -> int:
        return int(self.running.addresses[0][1])


@pytest.fixture
async def server(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Secured]:
    cert, key = self_signed(tmp_path)
    chosen = replace(settings, tls_cert_file=cert, tls_key_file=key)
    made = app.create(chosen, Registry(chosen.model_map_file), GatedDispatcher())
    running = app.runner(made)
    await running.setup()
    await listeners.listen(running, chosen, made[TLS], ())
    result, leave = Secured(running, cert), connections.Connection.leave

    def left(self: connections.Connection) -> None:
        leave(self)
        result.left.set()

    monkeypatch.setattr(connections.Connection, "leave", left)
    yield result
    await running.cleanup()


@pytest.mark.parametrize("sent", ["plain HTTP", "half of a hello", "nothing"])
async def test_a_connection_on_which_tls_fails_counts_no_more(server: Secured, sent: str) -> None:
    hello = Client(server.certificate).hello()
    words = {"plain HTTP": HEALTH, "half of a hello": hello[: len(hello) // 2], "nothing": b""}[sent]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(words)
    if sent == "plain HTTP":
        with suppress(ConnectionError):
            assert b"HTTP/" not in await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    await asyncio.wait_for(server.left.wait(), PATIENCE_S)
    assert not server.running.open


async def test_one_that_keeps_silent_counts_until_its_time_is_over(
    server: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    await asyncio.wait_for(server.left.wait(), PATIENCE_S)
    assert not server.running.open
    writer.close()


async def test_what_comes_with_the_last_of_the_handshake_is_answered(server: Secured) -> None:
    client = Client(server.certificate)
    answer = await asyncio.to_thread(client.ask_with_the_last_of_the_handshake, server.port)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
