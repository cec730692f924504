"""The application and the server's life from bind to drain. Main thread: it runs the event loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from aiohttp import web

from hoshikage.api.access import require_loopback
from hoshikage.api.body import MAX_BYTES
from hoshikage.api.keys import DISPATCHER, PACE, REGISTRY, SETTINGS, Dispatching, Pace
from hoshikage.api.middleware import AccessLog, add_request_id, errors, guard, without_request_bytes
from hoshikage.api.middleware import log as access_log
from hoshikage.api.routes import routes
from hoshikage.dispatch import client
from hoshikage.messages import text
from hoshikage.registry import Registry
from hoshikage.settings import Settings

DRAIN_SECONDS: Final = 10.0
"""So long may running requests take to finish once the server is told to stop."""


def create(
    settings: Settings, registry: Registry, dispatcher: Dispatching, pace: Pace | None = None
) -> web.Application:
    """The application; it stops the dispatcher when it is cleaned up."""
    app = web.Application(middlewares=[errors, guard], client_max_size=MAX_BYTES)
    app[SETTINGS] = settings
    app[REGISTRY] = registry
    app[DISPATCHER] = dispatcher
    app[PACE] = pace or Pace()
    app.add_routes(routes())
    app.on_response_prepare.append(add_request_id)
    app.cleanup_ctx.append(_dispatching)
    return app


def runner(app: web.Application) -> web.AppRunner:
    """The one way to run the app: a handler whose client leaves is cancelled, whether it streams or not."""
    log = logging.getLogger("hoshikage.http")
    log.addFilter(without_request_bytes)
    return web.AppRunner(
        app,
        logger=log,
        handler_cancellation=True,
        access_log_class=AccessLog,
        access_log=access_log,
        shutdown_timeout=DRAIN_SECONDS,
    )


def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serves until SIGINT or SIGTERM. Raises UsageError for an address off loopback, OSError for one not to be had.

    The first signal closes the port and lets running requests finish, the second ends the process at once.
    """
    require_loopback(settings.host)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    asyncio.run(_serve(settings, environ))


async def _serve(settings: Settings, environ: Mapping[str, str]) -> None:
    await run(create(settings, Registry(settings.model_map_file), client.create(settings, environ)))


async def run(app: web.Application) -> None:
    """Runs the app until a signal stops it; for the main thread."""
    settings = app[SETTINGS]
    running = runner(app)
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        await running.setup()
        try:
            await web.TCPSite(running, settings.host, settings.port).start()
            _tell(settings, "http.ready", url=url(running.addresses[0]))
            await stop.wait()
            _tell(settings, "http.stopping")
        finally:
            await running.cleanup()


def url(address: Any) -> str:
    """`http://127.0.0.1:3030` of a socket's own address."""
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _dispatching(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[DISPATCHER].stop()


def _tell(settings: Settings, key: str, **details: str) -> None:
    """One line for the person at the terminal, whatever the log level."""
    sys.stderr.write(text(settings.lang, key, **details) + "\n")
    sys.stderr.flush()


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM sets `stop` and gives both signals back their default, which ends the process."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, on_signal) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
