"""Holds the application and the server's life from bind to drain. Main thread: it runs the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Final

from aiohttp import web

from hoshikage import heap
from hoshikage.access.limits import RateLimits
from hoshikage.answer.chat_formats import CHAT_FORMATS, ChatFormats
from hoshikage.answer.memory_holder import MEMORY, MemoryHolder
from hoshikage.answer.model_files import MODEL_FILES, ModelFiles
from hoshikage.dispatch import making
from hoshikage.errors import HoshikageError
from hoshikage.http import connections, cors, ignored, listeners, rate_limits
from hoshikage.http.authenticator import Authenticator
from hoshikage.http.bodies import MAX_BYTES, Bodies
from hoshikage.http.error_response import FORMS, ErrorBody, Forms
from hoshikage.http.keys import (
    AUTHENTICATOR,
    BODIES,
    DISPATCHER,
    ENVIRON,
    LIMITS,
    LORA_SCALES,
    METRICS,
    ORIGIN_POLICY,
    REFUSALS,
    REGISTRY,
    REQUEST_ID,
    SETTINGS,
    STREAM_TIMEOUTS,
    TLS,
    Dispatching,
    StreamTimeouts,
)
from hoshikage.http.listeners import url
from hoshikage.http.measures import Measures
from hoshikage.http.middleware import AccessLog, add_request_id, errors, guard
from hoshikage.http.middleware import log as access_log
from hoshikage.http.origin_policy import OriginPolicy
from hoshikage.http.refusal import Refusals
from hoshikage.messages import describe, text
from hoshikage.protocols.hoshikage.changes import REGISTRY_CHANGES, RegistryChanges
from hoshikage.protocols.hoshikage.insight import INSIGHT, Insight
from hoshikage.protocols.hoshikage.metrics import measured
from hoshikage.protocols.hoshikage.openapi_document import OPENAPI, OpenApiDocument
from hoshikage.protocols.openai.response_store import RESPONSES, ResponseStore
from hoshikage.protocols.routes import ROUTES, routes
from hoshikage.registry import ModelSpec, Registry
from hoshikage.service.notify import Notifier, listen_fds
from hoshikage.settings import Settings

if TYPE_CHECKING:
    from hoshikage.protocols.waking import Woken

WOKEN: Final = "HOSHIKAGE_WOKEN"
"""This variable's name is sleeper.program.WOKEN, which is not imported to ask for it."""
MIN_DRAIN_S: Final = 0.01
"""aiohttp takes 0 for no limit."""
THREADS_S: Final = 2.0
"""Threads that still read or write when all else has ended have so long: a disk that does not answer would keep
them."""
PASS_ON_S: Final = 1.0
"""So long at most may answers take to pass on that the drain has ended."""
SETTLE_S: Final = 1.0
"""The first answers have come so many seconds behind a start."""
END_S: Final = 15.0
"""So long at most do cancelled requests and the runner take to end after the drain."""
log: Final = logging.getLogger("hoshikage.server")

ERROR_FORMS: Final = {"/v1/messages": "anthropic", "/api/": "ollama"}
"""Maps the beginning of paths to the protocol in whose form errors are told there; everywhere else it is OpenAI's."""


def _error_body(protocol: str) -> ErrorBody:
    """Imports the protocol's own maker of errors when the first one is told."""
    make: ErrorBody = import_module(f"hoshikage.protocols.{protocol}.writer").error_body
    return make


def create(
    settings: Settings,
    registry: Registry,
    dispatcher: Dispatching,
    timeouts: StreamTimeouts | None = None,
    *,
    exposed: bool | None = None,
    insight: Insight | None = None,
) -> web.Application:
    """Makes the application; it starts the dispatcher with itself and stops it when it is cleaned up.

    `exposed`: whether others can reach it; None tells that from HOST. Raises SettingInvalid.
    """
    resources, needs = routes()
    policy = OriginPolicy.of(settings, listeners.is_exposed(settings, ()) if exposed is None else exposed)
    app = web.Application(middlewares=[measured, errors, guard], client_max_size=MAX_BYTES)
    app[SETTINGS] = settings
    app[REGISTRY] = registry
    app[DISPATCHER] = dispatcher
    app[BODIES] = Bodies()
    app[CHAT_FORMATS] = ChatFormats()
    app[METRICS] = Measures()
    app[STREAM_TIMEOUTS] = timeouts or StreamTimeouts()
    app[ORIGIN_POLICY] = policy
    forms: Forms = {begin: partial(_error_body, protocol) for begin, protocol in ERROR_FORMS.items()}
    app[FORMS] = forms
    app[AUTHENTICATOR] = Authenticator(settings, policy, needs)
    app[LORA_SCALES] = {}
    app[LIMITS] = RateLimits(settings.rate_limit_requests, settings.rate_limit_tokens)
    app[MODEL_FILES] = ModelFiles()
    app[MEMORY] = MemoryHolder(settings, dispatcher, registry)
    app[OPENAPI] = OpenApiDocument(ROUTES)
    app[REFUSALS] = Refusals()
    app[RESPONSES] = ResponseStore(settings.responses_store)
    app[REGISTRY_CHANGES] = RegistryChanges()
    app[INSIGHT] = insight or Insight()
    app[ENVIRON] = app[INSIGHT].environ
    if (tls := listeners.tls_context(settings)) is not None:
        app[TLS] = tls
    for resource in resources:
        app.router.register_resource(resource)
    app.on_response_prepare.extend((add_request_id, cors.add_headers, rate_limits.add_headers, ignored.add_header))
    app.cleanup_ctx.append(_dispatching)
    return app


def runner(app: web.Application) -> connections.HttpRunner:
    """Makes the one runner of the app: a handler whose client leaves is cancelled, whether it streams or not."""
    return connections.HttpRunner(
        app,
        connections.limit(app[SETTINGS], connections.files()),
        logger=connections.log,
        access_log_class=AccessLog,
        access_log=access_log,
        shutdown_timeout=max(MIN_DRAIN_S, app[SETTINGS].drain_timeout) + PASS_ON_S,
        prefix=app[SETTINGS].api_prefix,
    )


def request_id() -> str:
    """Returns the id of the request that the current task answers; empty outside of one."""
    return REQUEST_ID.get()


def serve(
    settings: Settings,
    environ: Mapping[str, str],
    on_ready: Callable[[], None] | None = None,
    insight: Insight | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. Raises UsageError for what must not be served, OSError for an address not to
    be had.

    The first signal closes the port and lets running requests finish, the second ends the process at once.
    `on_ready` is called in a thread of its own once requests are answered; it may block for a moment.
    """
    woken = _woken()
    passed = woken.tcp if woken is not None else listen_fds(environ, os.getpid())
    asyncio.run(_serve(settings, environ, passed, on_ready, insight, woken))


def _woken() -> Woken | None:
    """Returns what the server takes over that slept in this process; None for one that is just started."""
    if WOKEN not in os.environ:
        return None
    from hoshikage.protocols.waking import Woken

    return Woken.of(os.environ)


async def _serve(
    settings: Settings,
    environ: Mapping[str, str],
    passed: Sequence[socket.socket],
    on_ready: Callable[[], None] | None,
    insight: Insight | None,
    woken: Woken | None,
) -> None:
    exposed = listeners.is_exposed(settings, passed)
    registry = Registry(settings.model_map_file, settings.model_dir, settings.registry_root)
    dispatcher = making.create(settings, environ, registry.known)
    app = create(settings, registry, dispatcher, exposed=exposed, insight=insight)
    await run(app, environ, passed, on_ready, woken)


async def run(
    app: web.Application,
    environ: Mapping[str, str],
    passed: Sequence[socket.socket] = (),
    on_ready: Callable[[], None] | None = None,
    woken: Woken | None = None,
) -> None:
    """Runs the app until a signal stops it; for the main thread. `passed` are sockets to use in place of HOST, PORT.
    A server that has `woken` goes on with its own, and was ready before."""
    settings = app[SETTINGS]
    app[AUTHENTICATOR].require_tokens(settings.host)
    notifier = Notifier.of(environ, os.getpid())
    connections.raise_files()
    asyncio.get_running_loop().set_exception_handler(connections.Shortage())
    executor = ThreadPoolExecutor(thread_name_prefix="blocking")
    asyncio.get_running_loop().set_default_executor(executor)
    running = runner(app)
    stop = asyncio.Event()
    beats = asyncio.create_task(notifier.keep_alive())
    cut: asyncio.Task[None] | None = None
    with _stopped_by_signals(stop):
        await running.setup()
        try:
            if woken is None:
                await listeners.listen(running, settings, app.get(TLS), passed)
            else:
                woken.restore(app)
                await woken.listen(running, app)
            urls = ", ".join(url(address, secure=TLS in app) for address in running.addresses)
            notifier.ready(urls)
            slept = woken is not None and woken.slept
            if slept:
                log.info(text(settings.lang, "http.wakes"))
            elif woken is None:
                _tell(settings, "http.ready", url=urls)
            if on_ready is not None and not slept:
                beside = asyncio.create_task(asyncio.to_thread(on_ready))
                beside.add_done_callback(_tell_failure)
            asyncio.get_running_loop().call_later(SETTLE_S, heap.settle)
            preload = asyncio.create_task(asyncio.sleep(0) if slept else _preload(app))
            sleeping = asyncio.create_task(_sleep_when_quiet(app, running, notifier))
            sleeping.add_done_callback(_tell_failure)
            await stop.wait()
            sleeping.cancel()
            notifier.stopping(settings.drain_timeout + END_S)
            _tell(settings, "http.stopping")
            preload.cancel()
            app[DISPATCHER].drain()
            cut = asyncio.create_task(_cut(app))
        finally:
            await running.cleanup()
            beats.cancel()
            if cut is not None:
                cut.cancel()
            if settings.unix_socket is not None:
                listeners.remove_socket(settings.unix_socket)
    _end_threads(executor)


def _end_threads(executor: ThreadPoolExecutor) -> None:
    """Waits a moment for what still runs in threads; the process ends without one that waits for a disk."""
    ending = threading.Thread(target=executor.shutdown, kwargs={"cancel_futures": True}, daemon=True)
    ending.start()
    ending.join(THREADS_S)
    if ending.is_alive():
        log.warning("a file or folder does not answer; the server ends without it")
        logging.shutdown()
        os._exit(0)


async def _sleep_when_quiet(app: web.Application, running: connections.HttpRunner, notifier: Notifier) -> None:
    """Puts the server to sleep when it is quiet. The code is imported when it is due for the first time; where
    processes cannot take each other's place, never."""
    timeout = app[SETTINGS].sleep_timeout
    if timeout > 0 and os.name == "posix":
        await asyncio.sleep(timeout)
        from hoshikage.protocols.sleep import sleep_when_quiet

        await sleep_when_quiet(app, running, notifier)


async def _cut(app: web.Application) -> None:
    """Tells the answers that still flow at the drain's end; they have a moment to pass it on."""
    await asyncio.sleep(app[SETTINGS].drain_timeout)
    await app[DISPATCHER].stop()


def _tell_failure(done: asyncio.Task[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("unexpected error", exc_info=error)


async def _preload(app: web.Application) -> None:
    """Loads the model of PRELOAD; a failure is only told."""
    settings = app[SETTINGS]
    if settings.preload is None:
        return
    try:
        await app[DISPATCHER].preload(await asyncio.to_thread(app[REGISTRY].resolve, settings.preload))
    except HoshikageError as error:
        log.warning("PRELOAD=%s: %s", settings.preload, describe(settings.lang, error))


def _read_files(app: web.Application) -> Sequence[ModelSpec]:
    """Reads what a start needs, in one thread beside the event loop's, and returns the registered models."""
    app[AUTHENTICATOR].prepare()
    app[REGISTRY].sweep()
    specs = app[REGISTRY].specs()
    app[MEMORY].start()
    return specs


async def _dispatching(app: web.Application) -> AsyncIterator[None]:
    app[REGISTRY_CHANGES].look(await asyncio.to_thread(_read_files, app))
    await app[DISPATCHER].start()
    yield
    await app[MEMORY].stop()
    await app[DISPATCHER].stop()


def _tell(settings: Settings, key: str, **details: str) -> None:
    """Writes one line for the person at the terminal, whatever the log level."""
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
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)  # a server that woke held them back until here
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
