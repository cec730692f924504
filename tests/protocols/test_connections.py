"""Tests connections that say nothing: their number and their patience are bounded, and they keep nobody out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from hoshikage.access.tokens import TokenStore
from hoshikage.http import connections
from hoshikage.protocols import app
from hoshikage.registry import Registry
from hoshikage.settings import Settings, load
from tests.protocols.conftest import GatedDispatcher, House, serving
from tests.protocols.conftest import answer as answer_steps
from tests.protocols.test_serve import ROOT, line_of

resource = pytest.importorskip("resource")
SILENT = 1_090


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allows the test's own end of that many connections."""
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


async def test_many_who_come_at_once_wait_to_be_accepted(house: House, many_files: None) -> None:
    with ExitStack() as held:
        for _ in range(200):  # this loop, which would accept them, stands still meanwhile
            held.enter_context(socket.create_connection(("127.0.0.1", house.port), 0.5))
    assert b" 200 OK" in await answer(house, HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))


@pytest.mark.parametrize("when", ["before the pause ends", "after it"])
async def test_a_process_that_did_not_run_blames_no_client(
    house: House, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    accepted = asyncio.Event()
    made = connections.Connection.connection_made

    def connection_made(self: connections.Connection, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        accepted.set()

    monkeypatch.setattr(connections.Connection, "connection_made", connection_made)
    monkeypatch.setattr(connections, "HEADER_S", 0.05)
    monkeypatch.setattr(connections, "LATE_S", 0.1 if when == "after it" else 60)
    reader, writer = await opened(house)
    await accepted.wait()
    monkeypatch.setattr(connections, "HEADER_S", 60)
    if when == "before the pause ends":
        writer.write(HEALTH)
    threading.Event().wait(0.3)  # nothing in this process runs
    for _ in range(5):
        await asyncio.to_thread(int)  # the timer has fired
    if when == "after it":
        writer.write(HEALTH)
    assert b" 200 " in await read_answer(reader)
    writer.close()


HEAD = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHAT = b'{"model":"tiny","messages":[{"role":"user","content":"x"}]}'


def asking(path: bytes = b"/v1/chat/completions", *headers: bytes) -> bytes:
    return (
        HEAD % path
        + b"".join(header + b"\r\n" for header in headers)
        + b"Content-Length: %d\r\n\r\n" % len(CHAT)
        + CHAT
    )


@asynccontextmanager
async def with_limit(settings: Settings, limit: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """Runs a server that so many connections may be open to."""
    monkeypatch.setattr(connections, "limit", lambda _settings, _files: limit)
    async with serving(settings) as house:
        await house.session.close()  # its connection would count
        yield house


async def opened(house: House, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(sent)
    return reader, writer


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(int(length.partition(b":")[2]))


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Returns what came until the server closed."""
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_at_the_limit_the_one_without_a_request_for_longest_goes_though_it_has_asked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_limit(settings, 3, monkeypatch) as house:
        gate = asyncio.Event()
        house.dispatcher.steps = [gate, *house.dispatcher.steps]
        asks, asks_out = await opened(house, asking())
        await house.dispatcher.began.wait()
        has_asked, has_asked_out = await opened(house, HEALTH)
        assert b" 200 " in await read_answer(has_asked)
        last, last_out = await opened(house, HEALTH)
        assert b" 200 " in await read_answer(last)
        new, new_out = await opened(house, HEALTH)
        assert b" 200 " in await read_answer(new), "there was room for it"
        assert await ended(has_asked) == b""
        last_out.write(HEALTH)
        assert b" 200 " in await read_answer(last)
        gate.set()
        assert b" 200 " in await read_answer(asks), "a request in progress is never left"
        for writer in (asks_out, has_asked_out, last_out, new_out):
            writer.close()


@pytest.mark.parametrize(
    ("path", "shape"),
    [(b"/v1/chat/completions", "error.code"), (b"/v1/messages", "type"), (b"/api/chat", "error"), (b"", "error.code")],
)
async def test_where_all_ask_the_next_is_told_so_and_not_reset(
    path: bytes, shape: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SURPLUS_S", 20.0 if path else 0.05)
    async with with_limit(settings, 1, monkeypatch) as house:
        house.dispatcher.steps = [asyncio.Event()]
        _, asks_out = await opened(house, asking())
        await house.dispatcher.began.wait()
        reader, writer = await opened(house, HEAD % path + b"Content-Length: 900000\r\n\r\n" if path else b"")
        if path:
            writer.write(b" " * 900_000)  # read though nobody wants it: else it would be reset
        said = await ended(reader)
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in head
        assert b"Connection: close" in head
        found = json.loads(body)
        for name in shape.split("."):
            found = found[name]
        assert found == {"error.code": "unavailable", "type": "error"}.get(shape, found)
        assert isinstance(found, str)
        writer.close()
        asks_out.close()


async def test_those_who_are_told_that_there_is_no_room_are_few(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_SURPLUS", 2)
    monkeypatch.setattr(connections, "SURPLUS_S", 20.0)
    async with with_limit(settings, 1, monkeypatch) as house:
        house.dispatcher.steps = [asyncio.Event()]
        _, asks_out = await opened(house, asking())
        await house.dispatcher.began.wait()
        silent = [await opened(house) for _ in range(3)]
        assert await ended(silent[0][0]) == b"", "the first of them makes room for the third"
        reader, writer = silent[2]
        writer.write(HEALTH)
        assert b" 503 " in await ended(reader)
        for _, open_writer in (*silent, (None, asks_out)):
            open_writer.close()


async def test_a_part_is_kept_for_this_machine_and_for_callers_with_a_token(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = TokenStore(settings.token_file).create("laptop", "api").encode()
    monkeypatch.setattr(connections, "is_loopback", lambda _host: False)
    async with with_limit(settings, 4, monkeypatch) as house:
        house.dispatcher.steps = [asyncio.Event()]
        writers = []
        for number in range(3):
            _, writer = await opened(house, asking())
            writers.append(writer)
            while len(house.dispatcher.asked) <= number:
                house.dispatcher.began.clear()
                await house.dispatcher.began.wait()
        reader, turned_away = await opened(house, asking())
        refused = await read_answer(reader)
        assert b" 503 " in refused
        assert b"Retry-After: 1" in refused
        house.dispatcher.steps = answer_steps("ok")
        reader, writer = await opened(house, asking(b"/v1/chat/completions", b"Authorization: Bearer " + token))
        assert b" 200 " in await read_answer(reader)
        for open_writer in (*writers, turned_away, writer):
            open_writer.close()


@pytest.mark.parametrize(
    ("path", "shape"),
    [(b"/v1/chat/completions", ("error", "code")), (b"/v1/messages", ("error", "type")), (b"/api/chat", ("error",))],
)
@pytest.mark.parametrize("fault", [b"No colon\r\n", b"Content-Length: x\r\n", b"A: " + b"a" * 9000 + b"\r\n"])
async def test_malformed_http_is_answered_in_the_form_of_the_routes_family(
    house: House, path: bytes, shape: tuple[str, ...], fault: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    said = await answer(house, HEAD % path + fault + b"\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert b"Content-Type: application/json" in head
    assert b"x-request-id: req_" in head
    found = json.loads(body)
    for name in shape:
        found = found[name]
    assert found
    assert ("type" in json.loads(body)) == (path == b"/v1/messages")
    assert not any(record.exc_info or "aaaa" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(("path", "family"), [("/v1/messages/x", "type"), ("/api/x", "error"), ("/v1/x", "error")])
async def test_errors_before_a_handler_have_the_form_of_the_routes_family(house: House, path: str, family: str) -> None:
    status, unknown, _ = await house.ask("POST", path)
    assert status == 404
    assert isinstance(unknown[family], dict if path == "/v1/x" else str)
    status, foreign, _ = await house.ask("GET", path, Host="evil.example")
    assert status == 403
    assert isinstance(foreign[family], dict if path == "/v1/x" else str)


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
    """Returns all that comes until the server closes the connection."""
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
    assert connections.limit(settings, 20) == connections.MIN_CONNECTIONS
