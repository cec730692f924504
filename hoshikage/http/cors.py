"""Tells a browser about pages of other origins (CORS). Event loop thread.

Only origins of CORS_ORIGINS are ever named in an answer, and never for the admin routes.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from hoshikage.http.keys import AUTHENTICATOR, ORIGIN_POLICY

METHODS: Final = "GET, HEAD, POST, DELETE, OPTIONS"
HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9,_ -]{1,2048}")
EXPOSED: Final = ", ".join(
    (
        "x-request-id",
        "retry-after",
        "x-hoshikage-ignored",
        "x-hoshikage-template-repair",
        "x-hoshikage-shifted",
        "x-hoshikage-condensed",
        "x-hoshikage-recalled",
        *(f"x-ratelimit-{part}-{kind}" for part in ("limit", "remaining", "reset") for kind in ("requests", "tokens")),
    )
)
MAX_AGE_S: Final = 600


def is_admin(request: web.Request) -> bool:
    """Returns whether the request is for an admin route, or for one below /admin that does not exist."""
    below = request.path == "/admin" or request.path.startswith("/admin/")
    return below or request.config_dict[AUTHENTICATOR].needs(request) == "admin"


def is_preflight(request: web.Request) -> bool:
    """Returns whether a browser asks, before a page's request, if that would be allowed."""
    has_method = "Access-Control-Request-Method" in request.headers
    return request.method == "OPTIONS" and has_method and _origin(request) is not None


def is_foreign(request: web.Request) -> bool:
    """Returns whether a page asks: then the answer's headers are its own."""
    return "Origin" in request.headers


def preflight(request: web.Request) -> web.Response:
    """Answers one; `add_headers` names the origin in it."""
    answer = web.Response(status=204)
    answer.headers["Access-Control-Allow-Methods"] = METHODS
    wanted = request.headers.get("Access-Control-Request-Headers", "")
    if HEADER_NAMES.fullmatch(wanted):  # `*` would not stand for Authorization
        answer.headers["Access-Control-Allow-Headers"] = wanted
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        answer.headers["Access-Control-Allow-Private-Network"] = "true"
    answer.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
    return answer


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Lets pages of a listed origin read the answer, as its headers go out."""
    listed = request.config_dict[ORIGIN_POLICY].origins
    if listed and not listed.any:
        response.headers.add("Vary", "Origin")  # on every answer, or a cache would give one origin's to another
    origin = _origin(request)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED


def _origin(request: web.Request) -> str | None:
    return None if is_admin(request) else request.config_dict[ORIGIN_POLICY].listed_origin(request)
