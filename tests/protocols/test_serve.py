"""Tests the server's life: the ready line, a port that is taken, draining on a signal, and the second signal."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import openai
import pytest

from hoshikage.errors import UsageError
from hoshikage.http import listeners
from hoshikage.protocols import app
from hoshikage.settings import load

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def server(folder: Path, **environ: str) -> AsyncIterator[tuple[Process, int]]:
    """Runs the gated server, and yields it with its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.protocols.gated_server", str(folder)),
        stdin=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env={**os.environ, **environ},
    )
    try:
        port = re.search(r"http://127\.0\.0\.1:(\d+)\b", await line_of(process, "Hoshikage is ready"))
        assert port is not None
        yield process, int(port[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(process: Process, text: str) -> str:
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if text in line:
            return line
    raise AssertionError(f"the server ended without {text!r}")


async def refused(port: int) -> None:
    """Returns once nobody listens: the port closes just after the line that tells of it."""
    with suppress(ConnectionRefusedError):
        while True:
            with suppress(ConnectionResetError):  # one that the closing found in the backlog
                (await asyncio.open_connection("127.0.0.1", port))[1].close()


def sdk(port: int) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0)


async def first_text(client: openai.AsyncOpenAI) -> openai.AsyncStream[openai.types.chat.ChatCompletionChunk]:
    """Opens a stream of which the first text has come, so that its request is certainly running."""
    stream = await client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert [(await anext(stream)).choices[0].delta.content for _ in range(2)] == [None, "first"]
    return stream


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains(tmp_path: Path, home: Path, number: signal.Signals) -> None:
    async with server(tmp_path) as (process, port):
        async with sdk(port) as client:
            stream = await first_text(client)
            process.send_signal(number)
            await line_of(process, "Stopping")
            await refused(port)
            assert process.stdin is not None
            process.stdin.write(b"open\n")
            rest = [chunk.choices[0].delta.content async for chunk in stream]
        assert rest == ["last", None]
        assert await process.wait() == 0


async def test_who_waits_for_a_turn_is_told_at_once(tmp_path: Path, home: Path) -> None:
    async with server(tmp_path) as (process, port), sdk(port) as client:
        running = await first_text(client)
        turns = [{"role": "user", "content": "x"}]
        waiting = asyncio.create_task(
            client.chat.completions.create(model="queued", messages=turns)  # type: ignore[arg-type]
        )
        async with aiohttp.ClientSession() as session:
            while True:  # both have certainly come
                async with session.get(f"http://127.0.0.1:{port}/v1/status") as response:
                    if (await response.json())["totals"]["loads"] == 2:
                        break
        process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.InternalServerError) as caught:
            await waiting
        assert (caught.value.status_code, caught.value.code) == (503, "shutting_down")
        assert caught.value.response.headers["Retry-After"] == "5"
        assert process.stdin is not None
        process.stdin.write(b"open\n")
        assert [chunk.choices[0].delta.content async for chunk in running] == ["last", None]
        assert await process.wait() == 0


async def test_the_drain_has_an_end(tmp_path: Path, home: Path) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True}
    async with (
        server(tmp_path, DRAIN_TIMEOUT="0.3") as (process, port),
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as response,
    ):
        await response.content.readuntil(b"first")
        process.send_signal(signal.SIGTERM)
        assert b"shutting_down" in await response.content.read(), "who is cut off is told so"
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(tmp_path: Path, home: Path) -> None:
    os.mkfifo(tmp_path / "disk")  # to open it for reading waits for a writer, who does not come
    body = {"model": "stuck", "messages": [{"role": "user", "content": "x"}]}
    async with server(tmp_path, DRAIN_TIMEOUT="0.1") as (process, port), aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body))
        await line_of(process, "stuck")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert process.stderr is not None
        assert b"does not answer" in await process.stderr.read()
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_the_unix_socket_goes_with_the_server(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "s"
    async with server(tmp_path, UNIX_SOCKET=str(path)) as (process, _):
        assert path.is_socket()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert not path.exists()


async def test_a_model_is_loaded_at_start(tmp_path: Path, home: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.protocols.gated_server", str(tmp_path)),
        stdin=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env={**os.environ, "PRELOAD": "tiny"},
    )
    await line_of(process, "preloaded tiny")
    process.terminate()
    await process.communicate()


async def test_the_service_manager_is_told(tmp_path: Path, home: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        async with server(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify")) as (process, port):
            told = await asyncio.to_thread(manager.recv, 4096)
            assert told == f"READY=1\nSTATUS=http://127.0.0.1:{port}".encode()
            process.send_signal(signal.SIGTERM)
            assert (await asyncio.to_thread(manager.recv, 4096)).startswith(b"STOPPING=1")
            assert await process.wait() == 0


async def test_the_second_signal_ends_at_once(tmp_path: Path, home: Path) -> None:
    async with server(tmp_path) as (process, port), sdk(port) as client:
        stream = await first_text(client)
        process.send_signal(signal.SIGTERM)
        await line_of(process, "Stopping")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == -signal.SIGTERM
        await stream.close()


def test_a_port_in_use_is_told(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load({"PORT": str(taken.getsockname()[1])}, {}, home).settings
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno says which, its text is the system's
            app.serve(settings, {})
        assert caught.value.errno == errno.EADDRINUSE


def test_an_address_off_loopback_is_refused(home: Path) -> None:
    settings = load({"HOST": "0.0.0.0", "PORT": "0"}, {}, home).settings
    with pytest.raises(UsageError):
        app.serve(settings, {})


def test_urls() -> None:
    assert listeners.url(("127.0.0.1", 3030)) == "http://127.0.0.1:3030"
    assert listeners.url(("::1", 3030, 0, 0)) == "http://[::1]:3030"
