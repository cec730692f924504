"""Runs a server whose answers take a given time, one after the other: what a cluster does with servers can be seen by
it without the cores that real models would need. `python -m tests.cluster.slow_server`. Event loop.

It speaks as much of the API as the tests look at; PAUSE_S says how long an answer takes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from aiohttp import web

PAUSE_S = float(os.environ.get("PAUSE_S", "0.5"))
PIECES = 4


class Slow:
    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self.left = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        if body.get("fail"):
            error = {"error": {"message": "full", "code": "queue_full"}}
            return web.json_response(error, status=429, headers={"Retry-After": "7"})
        who = {"x-pid": str(os.getpid()), "x-library": os.environ.get("LIBRARY", "")}
        if not body.get("stream"):
            async with self._one:
                await pause(PAUSE_S)
            return web.json_response({"pid": os.getpid(), "said": body["messages"][-1]["content"]}, headers=who)
        sent = web.StreamResponse(headers={"Content-Type": "text/event-stream", **who})
        try:
            async with self._one:
                await sent.prepare(request)
                for number in range(PIECES):
                    await sent.write(f"data: {json.dumps({'n': number})}\n\n".encode())
                    await pause(PAUSE_S / PIECES)
            await sent.write(b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionError):
            self.left += 1
            raise
        return sent

    async def status(self, _request: web.Request) -> web.Response:
        return web.json_response({"pid": os.getpid(), "left": self.left})


async def pause(seconds: float) -> None:
    await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=seconds)


def main() -> None:
    slow, app = Slow(), web.Application()
    app.add_routes(
        [
            web.post("/v1/chat/completions", slow.answer),
            web.post("/v1/messages", slow.answer),
            web.get("/v1/status", slow.status),
        ]
    )

    async def serve() -> None:
        runner: Any = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stderr.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
        sys.stderr.flush()
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
