"""Wraps every handler: the request's id, access rules, errors as answers, one log line. Event loop thread."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Handler
from aiohttp.web_request import BaseRequest

from hoshikage.dispatch.tries import ACCOUNT
from hoshikage.errors import HoshikageError
from hoshikage.http import cors, error_response, ignored, rate_limits
from hoshikage.http.authenticator import ANONYMOUS, CALLER
from hoshikage.http.bodies import LARGE
from hoshikage.http.connections import Connection
from hoshikage.http.keys import (
    AUTHENTICATOR,
    BODIES,
    DISPATCHER,
    LIBRARY,
    ORIGIN_POLICY,
    REFUSALS,
    REQUEST_ID,
    new_request_id,
)
from hoshikage.http.refusal import Prepared

LIBRARY_HEADER: Final = "X-Hoshikage-Library"
REQUEST_ID_HEADER: Final = "x-request-id"
WATCHED: Final = frozenset({"/health", "/v1/status", "/admin/log", "/metrics"})
"""These are asked for again and again by those who only look: a line each would push out all others."""
log: Final = logging.getLogger("hoshikage.access")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Names the request and turns every exception into an answer that its clients understand."""
    REQUEST_ID.set(new_request_id())
    large = (request.content_length or 0) >= LARGE
    ignored.begin()
    try:
        return await handler(request)
    except asyncio.CancelledError:
        log.info("%s %s client left", request.method, request.rel_url.raw_path)
        raise
    except Exception as error:  # noqa: BLE001 - the outermost border: everything becomes an answer and a log line
        answer = error_response.response_for(
            request.app, request.path, error_response.record(error), error_response.language(request)
        )
        if isinstance(error, web.HTTPMethodNotAllowed):
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    finally:
        if large:  # what was made of the body lives as long as its request
            request.app[BODIES].trim_soon()


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Applies the access rules, on every route and before any body is read."""
    app = request.app
    app[ORIGIN_POLICY].check(request, admin=cors.is_admin(request))
    if cors.is_preflight(request):  # browsers send no token with it
        return cors.preflight(request)
    caller = app[AUTHENTICATOR].admit(request)
    CALLER.set(caller)
    ACCOUNT.set(account(request))
    if isinstance(request.protocol, Connection):
        request.protocol.require_room(caller.name != ANONYMOUS)
    rate_limits.admit(request)
    if rate_limits.queues(request) and (full := app[DISPATCHER].full) is not None:
        return await refused(request, full)
    return await handler(request)


async def refused(request: web.Request, error: HoshikageError) -> web.StreamResponse:
    """Returns the refusal in prepared bytes. Raises it where its headers are not the same for all."""
    if cors.is_foreign(request) or rate_limits.are_told(request):
        raise error
    form = error_response.form(request.app, request.path, error_response.language(request))
    return await request.app[REFUSALS].answer(request, error, form, REQUEST_ID.get())


def account(request: web.Request) -> str:
    """Returns what a request's faults count against: its token, else its address."""
    name = CALLER.get().name
    return f"token {name}" if name not in (None, ANONYMOUS) else f"address {request.remote}"


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Sets x-request-id as the headers of any answer go out, and with a model's answer the library it came from;
    strangers are not told which versions run here."""
    response.headers[REQUEST_ID_HEADER] = REQUEST_ID.get() or new_request_id()
    response.headers["Server"] = "hoshikage"
    if library := request.get(LIBRARY):
        response.headers[LIBRARY_HEADER] = library


class AccessLog(AbstractAccessLogger):
    """Each request is one line of the log: method, path, status, milliseconds. Never a query, a header or a body."""

    def log(self, request: BaseRequest, response: web.StreamResponse, time: float) -> None:
        if isinstance(response, Prepared):  # told by Refusals, all of a second in one line
            return
        watching = request.rel_url.raw_path in WATCHED and response.status < 400
        self.logger.log(
            logging.DEBUG if watching else logging.INFO,
            "%s %s %d %.0f ms",
            request.method,
            request.rel_url.raw_path,  # still percent-encoded: a path cannot forge a line
            response.status,
            time * 1000,
            extra={"request_id": response.headers.get(REQUEST_ID_HEADER, "")},
        )
