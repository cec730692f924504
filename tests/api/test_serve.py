"""The server's life: the ready line, a port that is taken, draining on a signal, and the second signal."""

from __future__ import annotations

import asyncio
import errno
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import openai
import pytest

from hoshikage.api import app, sites
from hoshikage.errors import UsageError
from hoshikage.settings import load

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[Process, int]]:
    """The gated server and its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.api.gated_server", str(folder), stdin=PIPE, stderr=PIPE, cwd=ROOT
    )
    try:
        port = re.search(r"http://127\.0\.0\.1:(\d+) ", await line_of(process, "Hoshikage is ready"))
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
            (await asyncio.open_connection("127.0.0.1", port))[1].close()


def sdk(port: int) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0)


async def first_text(client: openai.AsyncOpenAI) -> openai.AsyncStream[openai.types.chat.ChatCompletionChunk]:
    """A stream of which the first text has come, so that its request is certainly running."""
    stream = await client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert [(await anext(stream)).choices[0].delta.content for _ in range(2)] == [None, "first"]
    return stream


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains(tmp_path: Path, number: signal.Signals) -> None:
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


async def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
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
    assert sites.url(("127.0.0.1", 3030)) == "http://127.0.0.1:3030"
    assert sites.url(("::1", 3030, 0, 0)) == "http://[::1]:3030"
