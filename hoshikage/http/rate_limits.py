"""What goes from a request to the dispatcher: in its caller's name, and on the caller's account. Event loop.

Who is over a limit is turned away, everybody is told how they stand.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from aiohttp import web

from hoshikage import wire
from hoshikage.dispatch.client import Note
from hoshikage.errors import RateLimited
from hoshikage.http.authenticator import CALLER
from hoshikage.http.keys import DISPATCHER, GATE, LIMITS, SETTINGS
from hoshikage.params import GenerationRequest, Work
from hoshikage.registry import ModelSpec


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


def asked(request: web.Request, spec: ModelSpec, work: Work, *, whole: bool = False) -> AsyncGenerator[Note, None]:
    """As Dispatcher.generate; the caller's account is charged as the notes end, for a client that left too.

    `whole`: the client gets the answer when it has ended.
    """
    name = CALLER.get().name
    if isinstance(work, GenerationRequest):
        work = replace(work, scope=name or "", whole=whole)
    notes = request.app[DISPATCHER].generate(spec, work)
    if name is None or not request.app[SETTINGS].rate_limit_tokens:
        return notes
    return _metered(notes, partial(request.app[LIMITS].spend, name))


async def _metered(notes: AsyncGenerator[Note, None], spend: Callable[[int], None]) -> AsyncGenerator[Note, None]:
    prompt = answer = 0
    try:
        async with aclosing(notes):
            async for note in notes:
                if isinstance(note, wire.Token):
                    answer = note.completion_tokens
                elif isinstance(note, wire.Started):
                    prompt = note.prompt_tokens
                elif isinstance(note, wire.Finished):
                    prompt, answer = note.prompt_tokens, note.completion_tokens
                yield note
    finally:
        spend(prompt + answer)


def duration(seconds: float) -> str:
    """`250ms`, `7.5s`, `1m30s`: Go's form, which OpenAI uses."""
    millis = round(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{rest / 1000:g}s"


def _counts(request: web.Request) -> bool:
    """Whether the request is for an answer of a model; looking at the list or the status is free."""
    return request.method == "POST" and request.config_dict[GATE].needs(request) == "api"
