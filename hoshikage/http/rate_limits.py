"""Bounds the use a minute: who is over one is refused, and everybody is told how they stand. Event loop thread."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hoshikage.errors import RateLimited
from hoshikage.http.authenticator import CALLER
from hoshikage.http.keys import AUTHENTICATOR, LIMITS, SETTINGS

WITHOUT_QUEUE: Final = frozenset({"/api/show"})
"""These routes are asked with a POST, and answered from the file."""


def admit(request: web.Request) -> None:
    """Counts the request. Raises RateLimited."""
    name = CALLER.get().name
    if name is None or not _counts(request):
        return
    wait = request.app[LIMITS].admit(name)
    if wait is not None:
        raise RateLimited("http.rate_limited", retry_after=wait, seconds=wait)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """`x-ratelimit-*`, as OpenAI's clients know them, as the headers go out."""
    name = CALLER.get().name
    if name is None or not _counts(request):
        return
    for kind, level in request.config_dict[LIMITS].levels(name).items():
        response.headers[f"x-ratelimit-limit-{kind}"] = str(level.limit)
        response.headers[f"x-ratelimit-remaining-{kind}"] = str(level.remaining)
        response.headers[f"x-ratelimit-reset-{kind}"] = duration(level.reset_s)


def are_told(request: web.Request) -> bool:
    """Whether answers carry the caller's own levels."""
    settings = request.config_dict[SETTINGS]
    return bool(settings.rate_limit_requests or settings.rate_limit_tokens)


def queues(request: web.Request) -> bool:
    """Returns whether the request is for a place in the queue."""
    return _counts(request) and request.path not in WITHOUT_QUEUE


def duration(seconds: float) -> str:
    """Writes a duration as `250ms`, `7.5s`, `1m30s`: Go's form, which OpenAI uses."""
    millis = round(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{rest / 1000:g}s"


def _counts(request: web.Request) -> bool:
    """Returns whether the request is for an answer of a model; looking at the list or the status is free."""
    return request.method == "POST" and request.config_dict[AUTHENTICATOR].needs(request) == "api"
