"""What surrounds every handler: the request's id, access rules, errors as answers, one log line. Event loop thread."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler
from aiohttp.web_request import BaseRequest

from hoshikage.http import cors, error_response, ignored, rate_limits
from hoshikage.http.authenticator import CALLER
from hoshikage.http.connections import Connection, watched_body
from hoshikage.http.keys import AUTHENTICATOR, LIBRARY, ORIGIN_POLICY, REQUEST_ID

LIBRARY_HEADER: Final = "X-Hoshikage-Library"
REQUEST_ID_HEADER: Final = "x-request-id"
HEALTH: Final = "/health"
log: Final = logging.getLogger("hoshikage.access")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Names the request and turns every exception into an OpenAI-shaped answer."""
    REQUEST_ID.set(new_request_id())
    ignored.begin()
    if isinstance(request.protocol, Connection):
        request.protocol.heard()
    try:
        with watched_body(request):
            return await handler(request)
    except asyncio.CancelledError:
        log.info("%s %s client left", request.method, request.rel_url.raw_path)
        raise
    except Exception as error:  # noqa: BLE001 - the outermost border: everything becomes an answer and a log line
        answer = error_response.response(error_response.record(error), error_response.language(request))
        if isinstance(error, web.HTTPMethodNotAllowed):
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Access rules, on every route and before any body is read."""
    request.config_dict[ORIGIN_POLICY].check(request, admin=cors.is_admin(request))
    if cors.is_preflight(request):  # browsers send no token with it
        return cors.preflight(request)
    CALLER.set(request.config_dict[AUTHENTICATOR].admit(request))
    rate_limits.admit(request)
    return await handler(request)


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Sets x-request-id as the headers of any answer go out, and with a model's answer the library it came from;
    strangers are not told which versions run here."""
    response.headers[REQUEST_ID_HEADER] = REQUEST_ID.get() or new_request_id()
    response.headers["Server"] = "hoshikage"
    if library := request.get(LIBRARY):
        response.headers[LIBRARY_HEADER] = library


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


def without_request_bytes(record: logging.LogRecord) -> bool:
    """A filter for aiohttp's own log: what it says of malformed HTTP quotes it, and that may be part of a prompt."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True


class AccessLog(AbstractAccessLogger):
    """One line a request: method, path, status, milliseconds. Never a query, a header or a body."""

    def log(self, request: BaseRequest, response: web.StreamResponse, time: float) -> None:
        watching = request.rel_url.raw_path == HEALTH  # every few seconds, and before each command
        self.logger.log(
            logging.DEBUG if watching else logging.INFO,
            "%s %s %d %.0f ms",
            request.method,
            request.rel_url.raw_path,  # still percent-encoded: a path cannot forge a line
            response.status,
            time * 1000,
            extra={"request_id": response.headers.get(REQUEST_ID_HEADER, "")},
        )
