"""The server goes to sleep: it puts its state away and execs `sleeper.program` in its own place. Event loop thread.

It does so when nothing has been asked for SLEEP_TIMEOUT seconds, no model is loaded and no connection is in use. From
the last look at that to the exec nothing is awaited, so that no request can come in between. What the sleeper may
answer by itself it answers from the texts that are made here.
"""

from __future__ import annotations

import asyncio
import logging
import marshal
import os
import signal
import sys
import time
from dataclasses import replace
from typing import Any, Final

import msgspec
from aiohttp import web

from hoshikage import __version__, page
from hoshikage.answer.memory_holder import MEMORY
from hoshikage.gguf import newest
from hoshikage.http.connections import HttpRunner
from hoshikage.http.keys import AUTHENTICATOR, DISPATCHER, LORA_SCALES, METRICS, ORIGIN_POLICY, SETTINGS
from hoshikage.http.places import nameless
from hoshikage.messages import text
from hoshikage.protocols.hoshikage import metrics
from hoshikage.protocols.hoshikage.page import FOR_GOOD, HEADERS, HTML, RUNNING
from hoshikage.protocols.route import Route
from hoshikage.protocols.routes import ROUTES
from hoshikage.service.notify import Notifier
from hoshikage.sleeper import program

log: Final = logging.getLogger("hoshikage.server")
LOOK_EVERY_S: Final = 1.0
"""So often is looked whether the server may sleep, once nothing has been asked for long enough."""
TURN_S: Final = 0.001
JSON: Final = "Content-Type: application/json"


async def sleep_when_quiet(app: web.Application, running: HttpRunner, notifier: Notifier) -> None:
    """Watches the server until it is cancelled, or until this process is the sleeper."""
    timeout = app[SETTINGS].sleep_timeout
    while True:
        left = app[METRICS].used + timeout - time.monotonic()
        await asyncio.sleep(max(left, LOOK_EVERY_S))
        if not is_quiet(app, running):
            continue
        await app[DISPATCHER].put_away()
        state = await _state(app, notifier)
        await accepted_are_known()
        if is_quiet(app, running):
            sleep(app, running, state)


async def accepted_are_known() -> None:
    """Waits until every connection that was accepted is among those that are open; then nothing may be awaited.

    The loop accepts in one turn and begins to speak in the next. What waits for a timer goes on behind what the sockets
    of that turn have begun, and before the next is accepted.
    """
    await asyncio.sleep(TURN_S)


def is_quiet(app: web.Application, running: HttpRunner) -> bool:
    """Returns whether nothing would be lost: nothing runs, waits or was asked for lately, and each connection can be
    kept."""
    if time.monotonic() - app[METRICS].used < app[SETTINGS].sleep_timeout or not app[DISPATCHER].sleeps:
        return False
    return app[MEMORY].rests and not running.surplus and all(one.may_be_kept for one in running.open)


def sleep(app: web.Application, running: HttpRunner, state: dict[str, Any]) -> None:
    """Ends this program, and begins the sleeper's in the same process. Awaits nothing. Raises OSError.

    Signals that would end the server wait until the sleeper can heed them; where one has come, nothing is done.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, program.ENDING)
    try:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            _exec_sleeper(app, running, state)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, program.ENDING)


def _exec_sleeper(app: web.Application, running: HttpRunner, state: dict[str, Any]) -> None:
    state["listening"] = [entry for site in running.own_sites for entry in site.kept()]
    state["connections"] = [(os.dup(one.descriptor), one.kind) for one in running.open]
    scales = {label: [tuple(one) for one in chosen] for label, chosen in app[LORA_SCALES].items()}
    further = {
        "version": __version__,
        "measures": app[METRICS].kept_state(),
        "lora_scales": scales,
        "headers": newest.kept(),
    }
    state["kept"] = app[DISPATCHER].kept_state() | further
    log.info(text(app[SETTINGS].lang, "http.sleeps"))
    for handler in (*logging.getLogger().handlers, *log.handlers, *logging.getLogger("hoshikage").handlers):
        handler.flush()
    fd = program.put(marshal.dumps(state))
    for one in (fd, *(kept for kept, _ in (*state["listening"], *state["connections"]))):
        os.set_inheritable(one, True)
    os.execv(sys.executable, program.command(fd))


async def _state(app: web.Application, notifier: Notifier) -> dict[str, Any]:
    """Collects all that the sleeper needs but for the sockets, whose numbers are known at the last moment."""
    settings, policy, authenticator = app[SETTINGS], app[ORIGIN_POLICY], app[AUTHENTICATOR]
    state = program.signature(str(settings.token_file))  # first: a change meanwhile shall be seen
    tokens = await asyncio.to_thread(authenticator.kept_tokens)
    start = await asyncio.to_thread(app[DISPATCHER].runner_to_start)
    runner = (
        None
        if start is None
        else {
            "command": start.command,
            "environ": start.environ,
            "files": {name: program.signature(name) for name in start.files},
        }
    )
    asks = [path for row in ROUTES if _asks(row) for path in (row.path, *row.other_paths)]
    return {
        "token_signature": state,
        "command": [sys.executable, *sys.orig_argv[1:]],
        "unix_path": str(settings.unix_socket) if settings.unix_socket else "",
        "names": sorted(policy.names),
        "exposed": policy.exposed,
        "needs_token": policy.needs_token,
        **tokens,
        "pages": await _pages(app),
        "headers": ["Vary: Origin"] if policy.origins and not policy.origins.any else [],
        "html": sorted(HTML),
        "prefix": settings.api_prefix,
        "notify": notifier.told_address,
        "asks": asks,
        "runner": runner,
        "ping_every": notifier.ping_every_s or 0.0,
        "until": 0.0,
    }


async def _pages(app: web.Application) -> dict[str, dict[str, Any]]:
    """Maps each path to what is answered there: the same as the handlers answer now, but for this process's own
    memory."""
    full_status = await app[DISPATCHER].full_status()
    sentinel = int(program.SENTINEL)
    full_status = replace(full_status, memory=replace(full_status.memory, server_bytes=sentinel, available_bytes=0))
    figures = metrics.of(app[METRICS], full_status, app[SETTINGS].queue_size, app[DISPATCHER].latencies()).encode()
    fields = {"status": "ok", "state": "sleeping", "version": __version__, **full_status.to_json(app[SETTINGS].lang)}
    pages: dict[str, dict[str, Any]] = {}

    def add(path: str, route: str, needs: str, kind: str, body: bytes, full: bytes | None = None) -> None:
        pages[path] = {"route": route, "needs": needs, "headers": [kind], "body": body, "full": full or body}

    health = msgspec.json.encode({"status": "ok"})
    for path in ("/health", "/v1/health"):
        add(path, path, "nothing", JSON, health)
    add("/v1/api/version", "/v1/api/version", "api", JSON, msgspec.json.encode({"version": __version__}))
    add("/metrics", "/metrics", "api", f"Content-Type: {metrics.CONTENT_TYPE}", figures)
    pages["/metrics"]["headers"].append(f"{metrics.BEGAN}: {app[METRICS].began}")
    without = msgspec.json.encode(nameless(fields))
    add("/v1/status", "/v1/status", "api", JSON, without, msgspec.json.encode(fields))
    for file in await asyncio.to_thread(lambda: sorted(page.STATIC.glob("*.gz"))):
        name = file.name.removesuffix(".gz")
        pages[f"/page/{name}"] = _file(name, str(file), FOR_GOOD if "-" in name else "no-cache", "Accept-Encoding")
    index = _file(page.INDEX, str(page.STATIC / f"{page.INDEX}.gz"), "no-cache", "Accept, Accept-Encoding")
    plain = ["Content-Type: text/plain; charset=utf-8", "Vary: Accept"]
    pages["/"] = {**index, "route": "/", "text": RUNNING.encode(), "text_headers": plain}
    return pages


def _asks(row: Route) -> bool:
    """Returns whether the one who asks there wants words of a model."""
    return row.method == "POST" and row.needs == "api" and row.stream is not None


def _file(name: str, path: str, lasting: str, vary: str) -> dict[str, Any]:
    headers = [f"{key}: {value}" for key, value in HEADERS.items()]
    kind = f"Content-Type: {page.kind(name)}; charset=utf-8"
    own = [kind, f"Cache-Control: {lasting}", f"Vary: {vary}", "Content-Encoding: gzip"]
    return {"route": "/page/{file}", "needs": "nothing", "file": path, "headers": [*headers, *own]}
