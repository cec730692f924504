"""Connections that say nothing: their number and their patience are bounded, and they keep nobody out."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from hoshikage.http import connections
from hoshikage.protocols import app
from hoshikage.registry import Registry
from hoshikage.settings import Settings, load
from tests.protocols.conftest import GatedDispatcher, House
from tests.protocols.test_serve import ROOT, line_of

resource = pytest.importorskip("resource")
SILENT = 1_090


@pytest.fixture
def many_files() -> Iterator[None]:
    """The test's own end of that many connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections.raise_files()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.process
async def test_silent_connections_neither_stop_the_server_nor_fill_the_log(
    tmp_path: Path, home: Path, many_files: None
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(
            "sh",
            "-c",
            'ulimit -n 256; exec "$0" "$@"',
            sys.executable,
            "-m",
            "tests.protocols.gated_server",
            str(tmp_path),
        ),
        stdin=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env=dict(os.environ),
    )
    try:
        port = int((await line_of(process, "Hoshikage is ready")).split("http://127.0.0.1:")[1].split()[0])
        with ExitStack() as held:
            for _ in range(SILENT):
                held.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            assert b" 200 " in await asyncio.wait_for(health(port), 20)
        assert b" 200 " in await asyncio.wait_for(health(port), 20), "it recovers"
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
        assert b"Traceback" not in said
        assert len(said) < 4_000
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def health(port: int) -> bytes:
    """The status line of the first answer: a connection may be refused while there is no room."""
    line = b""
    while not line:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            line = await reader.readline()
            writer.close()
    return line


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: local"])
async def test_who_sends_no_whole_header_is_left(house: House, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.05)
    assert await answer(house, sent) == b""


async def test_who_announces_a_body_and_sends_none_is_left(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_S", 0.05)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert await answer(house, head + b'Content-Length: 500\r\n\r\n{"model"') == b""


async def test_one_that_was_left_before_tls_was_agreed_on_ends_there(settings: Settings) -> None:
    made = app.create(settings, Registry(settings.model_map_file), GatedDispatcher())
    running = app.runner(made)
    await running.setup()
    connection = running.connect()
    assert isinstance(connection, connections.Connection)
    connection.leave()
    assert not running.open
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        theirs.settimeout(20)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, ours)
        assert await asyncio.to_thread(theirs.recv, 1) == b""
    await running.cleanup()


async def test_a_kept_connection_that_is_idle_is_left(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEPALIVE_S", 0.05)
    assert b" 200 OK" in await answer(house, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def test_malformed_http_tells_no_versions(house: House) -> None:
    said = await answer(house, b"nonsense\r\n\r\n")
    assert b" 400 " in said
    assert b"Server: hoshikage\r\n" in said
    assert b"aiohttp" not in said


async def answer(house: House, sent: bytes) -> bytes:
    """All that comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_lack_of_files_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    shortage = connections.Shortage()
    loop = asyncio.get_running_loop()
    for _ in range(100):
        shortage(loop, {"message": connections.OUT_OF_FILES, "exception": OSError(24, "Too many open files")})
    shortage(loop, {"message": "something else"})
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "no connection can be accepted just now",
        "something else",
    ]


def test_the_limit_leaves_files_for_the_rest(home: Path) -> None:
    settings = load({"QUEUE_SIZE": "64"}, {}, home).settings
    assert connections.limit(settings, None) == 576
    assert connections.limit(settings, 1024) == 576
    assert connections.limit(settings, 256) == 192
    assert connections.limit(settings, 20) == connections.LEAST
