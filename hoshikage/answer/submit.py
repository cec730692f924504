"""Hands a request to the dispatcher, in its caller's name and on the caller's account. Event loop thread."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from aiohttp import web
from msgspec.structs import replace

from hoshikage import wire
from hoshikage.answer.schema.lora import scales_in_force
from hoshikage.dispatch.client import Note
from hoshikage.dispatch.tries import Answering
from hoshikage.errors import InferenceFailed
from hoshikage.http import ignored
from hoshikage.http.authenticator import CALLER
from hoshikage.http.keys import DISPATCHER, LIBRARY, LIMITS, LORA_SCALES, SETTINGS
from hoshikage.params import Embedding, GenerationRequest, Ranking, Task, Work
from hoshikage.registry import ModelSpec

Answered = TypeVar("Answered", bound=wire.Answered)


def submit(request: web.Request, spec: ModelSpec, work: Work, *, whole: bool = False) -> AsyncGenerator[Note, None]:
    """Yields the notes of Dispatcher.generate; the caller's account is charged as they end, for a client that left too.

    `whole`: the client gets the answer when it has ended.
    """
    caller = CALLER.get()
    name = caller.name
    if isinstance(work, GenerationRequest):
        work = replace(work, scope=caller.scope, whole=whole)
    if isinstance(work, (GenerationRequest, Embedding, Ranking)):
        lora = work.lora
        if lora is None and (lora := scales_in_force(request.app[LORA_SCALES], spec)) is None:
            lora = spec.own_lora or None
        work = replace(work, lora=lora, control_vectors=spec.own_control_vectors or None)
    notes = request.app[DISPATCHER].generate(spec, work)
    if name is None or not request.app[SETTINGS].rate_limit_tokens:
        return notes
    return _metered(notes, partial(request.app[LIMITS].spend, name))


async def perform(
    request: web.Request, spec: ModelSpec, task: Task, kind: type[Answered]
) -> tuple[list[Answered], wire.Finished]:
    """Returns the events of type `kind` with which the model answers the task, and its end. Raises HoshikageError."""
    events: list[Answered] = []
    finished: wire.Finished | None = None
    async with aclosing(submit(request, spec, task)) as notes:
        async for note in notes:
            if isinstance(note, kind):
                events.append(note)
            elif isinstance(note, wire.Finished):
                finished = note
            elif isinstance(note, Answering):
                request[LIBRARY] = note.library
    if finished is None or finished.reason == "cancelled":
        raise InferenceFailed("http.answer_cut")
    return events, finished


def kept_s(spec: ModelSpec, seconds: float | None, place: str) -> float | None:
    """Returns how many seconds the request wants its model kept after its use. A pinned one stays anyway: then nothing
    is said, and `place`, where the request says it, is named as ignored."""
    if seconds is None or seconds == math.inf or not spec.options.pin:
        return seconds
    ignored.note(place)
    return None


def keep(request: web.Request, spec: ModelSpec, seconds: float | None) -> None:
    """Has the model stay as long as the request says, once it has been used; None leaves that to the settings."""
    if seconds is not None:
        request.app[DISPATCHER].keep(spec, seconds)


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
