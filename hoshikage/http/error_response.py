"""Makes errors as clients see them: JSON as the route's family has it, in the reader's language, and headers. Any
thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from hoshikage.errors import (
    AuthenticationFailed,
    ContextLengthExceeded,
    Detail,
    HoshikageError,
    InvalidRequest,
    MethodNotAllowed,
    ModelCrashed,
    NotFound,
    NotSupported,
)
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import REQUEST_ID, SETTINGS
from hoshikage.http.places import PLACES, told
from hoshikage.http.refusal import Form
from hoshikage.messages import Language, accepted_language, text

MAX_CHARACTERS: Final = 2000
"""An answer quotes so many characters of a text from elsewhere."""
OVERFLOW: Final = (
    "request ({n_prompt_tokens} tokens) is too large: it exceeds the available context size ({n_ctx} tokens)"
)
"""Begins the message of a prompt that is too long, in every language: agents know it by these words, and shorten."""
ErrorBody = Callable[[HoshikageError, Language], dict[str, Any]]
"""Makes an error's body in the form of one protocol."""
log: Final = logging.getLogger("hoshikage.server")


def language(request: web.Request) -> Language:
    """Returns the language that the client asks for by Accept-Language, else the server's own."""
    return accepted_language(request.headers.get("Accept-Language"), request.config_dict[SETTINGS].lang)


Forms = dict[str, Callable[[], ErrorBody]]
FORMS: Final[web.AppKey[Forms]] = web.AppKey("error_forms", dict)
"""The beginning of a family's paths leads here to what brings the maker of its errors; all else has the form of
`body`."""


def family(app: web.Application, path: str) -> str:
    """Returns what the paths of this one's family begin with; empty for the form of `body`."""
    return next((begin for begin in app[FORMS] if path.startswith(begin)), "")


def body_for(app: web.Application, path: str, error: HoshikageError, language: Language) -> dict[str, Any]:
    """Makes the error's body as clients of that path know errors, whether or not the request came as far as a
    handler."""
    begin = family(app, path)
    make: ErrorBody = app[FORMS][begin]() if begin else body
    return make(error, language)


def form(app: web.Application, path: str, language: Language) -> Form:
    """Returns how a refusal that is made once looks to the readers of that path."""

    def encode(error: HoshikageError, request_id: str) -> bytes:
        own = REQUEST_ID.set(request_id)
        try:
            return msgspec.json.encode(body_for(app, path, error, language))
        finally:
            REQUEST_ID.reset(own)

    return Form(f"{language} {family(app, path)}", encode)


def response_for(app: web.Application, path: str, error: HoshikageError, language: Language) -> web.Response:
    """Makes the answer to a request for that path, in the form of its family."""
    answer = response(error, language)
    if family(app, path):
        answer.body = msgspec.json.encode(body_for(app, path, error, language))
        answer.headers["request-id"] = REQUEST_ID.get()
    return answer


def response(error: HoshikageError, language: Language) -> web.Response:
    answer = json_response(body(error, language), status=error.status)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, AuthenticationFailed):  # RFC 9110, 11.6.1
        answer.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, NotSupported) or (isinstance(error, ModelCrashed) and error.final):
        # SDKs retry every 5xx unless told not to
        answer.headers["x-should-retry"] = "false"
    return answer


def body(error: HoshikageError, language: Language, overflow: str = OVERFLOW) -> dict[str, Any]:
    """Makes `{"error": ...}`; a 5xx carries the request id by which the log can be searched.

    `overflow` begins the message of a prompt that is too long.
    """
    shown: dict[str, Any] = {
        "message": _message(error, language, overflow),
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    if isinstance(error, ContextLengthExceeded):
        shown["n_prompt_tokens"] = error.details.get("n_prompt_tokens")
        shown["n_ctx"] = error.details.get("n_ctx")
    if error.status >= 500:
        shown["request_id"] = REQUEST_ID.get()
    return {"error": shown}


def record(error: Exception) -> HoshikageError:
    """Returns what to tell the client of any exception; logs it once (every line of the log has the request's id).

    Refusals are logged by their key and the files that they name: their other details may quote the request.
    """
    if isinstance(error, web.HTTPException):
        error = _routing(error)
    if not isinstance(error, HoshikageError):
        log.error("unexpected error", exc_info=error)
        return HoshikageError("http.internal", request_id=REQUEST_ID.get())
    if error.status >= 500:
        log.error("%d %s: %s", error.status, error.code, error)
    else:
        where = "".join(f" {name}={value!r}" for name, value in error.details.items() if name in PLACES)
        log.info("%d %s: %s param=%r%s", error.status, error.code, error.key, error.param, where)
    return error


def _routing(error: web.HTTPException) -> HoshikageError | web.HTTPException:
    if isinstance(error, web.HTTPNotFound):
        return NotFound("http.route_not_found")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed("http.method_not_allowed", allowed=error.headers.get("Allow", ""))
    if error.status < 500:
        return InvalidRequest("http.bad_request")
    return error


def _message(error: HoshikageError, language: Language, overflow: str) -> str:
    try:
        words = text(language, error.key, **{name: _bounded(value) for name, value in told(error.details).items()})
        if isinstance(error, ContextLengthExceeded) and {"n_prompt_tokens", "n_ctx"} <= error.details.keys():
            return f"{overflow.format(**error.details)}. {words}"
        return words
    except (KeyError, ValueError, TypeError):  # keys and details may come from a runner, which is not trusted
        log.error("no text for %s", error)
        return text(language, "http.internal", request_id=REQUEST_ID.get())


def _bounded(value: Detail) -> Detail:
    """A template, a library or a client may have written it, as long as it liked."""
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        return value[:MAX_CHARACTERS] + "…"
    return value


def message_of(error: HoshikageError, language: Language, overflow: str = OVERFLOW) -> str:
    """Puts the error in words; `overflow` as in `body`."""
    return str(body(error, language, overflow)["error"]["message"])
