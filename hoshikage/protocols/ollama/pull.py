"""Serves POST /api/pull: brings a model from elsewhere, with Ollama's progress lines. Event loop thread; fetches in
another.

A client that leaves stops it; what has come is kept for the next try.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

import msgspec
from aiohttp import web

from hoshikage.errors import UsageError
from hoshikage.http import error_response
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import ENVIRON, REGISTRY
from hoshikage.hub import pull as hub
from hoshikage.hub.address import Address
from hoshikage.hub.sources import source
from hoshikage.hub.transfer import Transfer
from hoshikage.protocols.ollama import ollama_schema as schema
from hoshikage.protocols.ollama.writer import error_body
from hoshikage.registry import OwnOptions, Registry, checked_label
from hoshikage.settings import cache_dir

EVERY_S: Final = 0.2
"""Two lines of progress of one file lie so far apart."""
SHOWN_DIGITS: Final = 12
Line = dict[str, Any]


async def pull(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse_pull, schema.PULLING)
    if "/" not in body.asked:
        raise UsageError("pull.ollama_name", name=body.asked)
    address, label = Address.of(body.asked), checked_label(_label(body.asked))
    lines = _lines(request.app[REGISTRY], request.app[ENVIRON], address, label)
    if body.stream is False:
        async with aclosing(lines):
            return json_response([line async for line in lines][-1])
    return await _streamed(request, lines)


def _label(name: str) -> str:
    """Returns the label by which the client will call the model from now on: what it has asked for, without the
    scheme."""
    return name.partition("://")[2] or name


async def _streamed(request: web.Request, lines: AsyncGenerator[Line, None]) -> web.StreamResponse:
    """The first line decides the status; what fails later is a line of its own, as Ollama has it."""
    language = error_response.language(request)
    async with aclosing(lines):
        first = await anext(lines)
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-cache"})
        await answer.prepare(request)
        try:
            await answer.write(_encoded(first))
            async for line in lines:
                await answer.write(_encoded(line))
        except Exception as error:
            if isinstance(error, ConnectionError):
                raise
            await answer.write(_encoded(error_body(error_response.record(error), language)))
    await answer.write_eof()
    return answer


def _encoded(line: Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


async def _lines(
    registry: Registry, environ: Mapping[str, str], address: Address, label: str
) -> AsyncGenerator[Line, None]:
    """Yields what happens, as it happens. Raises HoshikageError; leaving it stops the thread that fetches.

    Nobody waits for that thread: a server that says nothing holds it until its time is out.
    """
    loop, stop = asyncio.get_running_loop(), threading.Event()
    happened: asyncio.Queue[Line | Exception | None] = asyncio.Queue()

    def tell(what: Line | Exception | None) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(happened.put_nowait, what)

    def work() -> None:
        try:
            _bring(registry, environ, address, label, tell, stop)
            tell(None)
        except Exception as error:  # noqa: BLE001  it is raised where the lines are read
            tell(error)

    threading.Thread(target=work, name="pull", daemon=True).start()
    try:
        while (line := await happened.get()) is not None:
            if isinstance(line, Exception):
                raise line
            yield line
        yield {"status": "success"}
    finally:
        stop.set()


def _bring(
    registry: Registry, environ: Mapping[str, str], address: Address, label: str, tell: Any, stop: threading.Event
) -> None:
    origin = source(address, cache_dir() / "models", environ)
    wanted = hub.find(address, origin)
    tell({"status": "pulling manifest"})
    digests = {file.path: f"sha256:{file.sha256}" if file.sha256 else file.path for file in wanted.files}
    last: dict[str, float] = {}

    def on_bytes(name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - last.get(name, 0.0) < EVERY_S:
            return
        last[name] = now
        digest = digests.get(name, name)
        shown = digest.removeprefix("sha256:")[:SHOWN_DIGITS]
        tell({"status": f"pulling {shown}", "digest": digest, "total": total, "completed": done})

    def on_check(_name: str) -> None:
        tell({"status": "verifying sha256 digest"})

    brought = hub.bring(wanted, origin, Transfer(on_bytes, on_check, stop), lambda _: None)
    tell({"status": "writing manifest"})
    options = OwnOptions(brought.options)
    registry.add(label, brought.file, None, options)
