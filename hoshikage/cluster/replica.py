"""Runs one Hoshikage server in a process of its own, and passes requests on to it. The actor's event loop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Final

import aiohttp
from ray import serve

from hoshikage.cluster.server_process import ServerProcess

COMMAND: Final = (sys.executable, "-m", "hoshikage", "serve", "--host", "127.0.0.1", "--port", "0")
MOMENT_S: Final = 1.0
"""A process that is being killed closes its connections a moment before it has ended."""
NOT_PASSED_ON: Final = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""These headers are of one connection alone."""
Head = tuple[int, list[tuple[str, str]]]
"""An answer begins with these: status and headers."""


class ServerEnded(ConnectionError):
    """The server's process has ended, or does not answer any more."""


@serve.deployment(name="hoshikage", health_check_period_s=5, health_check_timeout_s=15)
class Replica:
    """Starts a server, passes requests on to it, and ends it with itself."""

    def __init__(self, settings: Mapping[str, str], folder: str, command: Sequence[str] = COMMAND) -> None:
        environ = {**os.environ, **settings, "NOTIFY_SOCKET": "", "LISTEN_FDS": ""}
        self._server = ServerProcess(command, environ, folder)
        self._server.start()
        self._session: aiohttp.ClientSession | None = None

    @serve.multiplexed(max_num_models_per_replica=1)
    async def _model(self, name: str) -> str:
        """Ray learns by this which model is here; the server itself loads it, and another one in its place."""
        return name

    async def call(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes, keys: Sequence[str] = ()
    ) -> AsyncGenerator[Head | bytes, None]:
        """Yields the head, then the body's pieces as they come. Closing it is leaving: the server stops its work.

        `keys` are the router's. Raises ServerEnded.
        """
        del keys
        model = serve.get_multiplexed_model_id()
        if model:
            await self._model(model)
        url = f"http://127.0.0.1:{self._server.port}{path}"
        passed = [(name, value) for name, value in headers if name.lower() not in NOT_PASSED_ON]
        try:
            async with self._connected().request(
                method, url, headers=passed, data=body or None, allow_redirects=False
            ) as answer:
                passed_on = [
                    (name, value) for name, value in answer.headers.items() if name.lower() not in NOT_PASSED_ON
                ]
                yield answer.status, passed_on
                async for piece in answer.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            await self._follow()
            raise ServerEnded(str(error) or type(error).__name__) from None

    async def _follow(self) -> None:
        """Ends this actor if its server has ended: Ray sends nothing more here, and starts another one."""
        if await asyncio.to_thread(self._server.wait, MOMENT_S):
            os._exit(1)

    async def check_health(self) -> None:
        """Ray calls it; a server that has ended takes this actor with it, and another one is started."""
        if self._server.status is not None:
            raise ServerEnded(str(self._server.status))

    def __del__(self) -> None:
        self._server.end()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=5)
            self._session = aiohttp.ClientSession(
                timeout=limits, auto_decompress=False, connector=aiohttp.TCPConnector(limit=0)
            )
        return self._session
