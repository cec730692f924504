"""Answers to prompts that are no chat, and tasks that are no answers: from notes to pieces. Event loop thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from hoshikage import wire
from hoshikage.answer.shapes import frame
from hoshikage.dispatch.client import Note, Waiting
from hoshikage.errors import InferenceFailed
from hoshikage.http import error_response, rate_limits
from hoshikage.http.keys import PACE
from hoshikage.http.sse import EventStream
from hoshikage.params import GenerationRequest, Task
from hoshikage.registry import ModelSpec

Answered = TypeVar("Answered", bound=wire.Answered)


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one choice; `index` counts the choices of all prompts."""

    index: int
    text: str
    logprobs: tuple[wire.Chosen, ...] | None
    generated: int
    """Tokens of the answer so far, in all choices of its prompt; 0 for an echo of the prompt."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of one choice."""

    index: int
    reason: wire.FinishReason
    stop: str | None


Event = Piece | End | wire.Started | wire.Finished


async def answers(
    request: web.Request, spec: ModelSpec, jobs: Sequence[GenerationRequest], stream: EventStream | None = None
) -> AsyncGenerator[Event, None]:
    """What all prompts are answered, one after the other: for each prompt Started, its choices, and Finished.

    Choices that are computed together come mixed. An echo stands before each of them. `stream` is told what to say in
    silence. Raises HoshikageError.
    """
    for number, job in enumerate(jobs):
        notes = rate_limits.asked(request, spec, job, whole=stream is None)
        async with aclosing(_answer(notes, number * job.choices, job.choices, stream)) as events:
            async for event in events:
                yield event


async def _answer(
    notes: AsyncGenerator[Note, None], first: int, choices: int, stream: EventStream | None
) -> AsyncGenerator[Event, None]:
    finished: wire.Finished | None = None
    prompt_tokens = 0
    async with aclosing(notes):
        async for note in notes:
            if isinstance(note, wire.Token):
                yield Piece(first + note.choice, note.text, note.logprobs, note.completion_tokens)
            elif isinstance(note, wire.Echo):
                for index in range(first, first + choices):
                    yield Piece(index, note.text, note.logprobs, 0)
            elif isinstance(note, wire.ChoiceEnd):
                yield End(first + note.choice, note.reason, note.stop)
            elif isinstance(note, wire.Finished):
                finished = note
            elif isinstance(note, wire.Started):
                prompt_tokens = note.prompt_tokens
                yield note
            if stream is not None and (comment := _comment(note, prompt_tokens)):
                stream.comment = comment
    if finished is None or finished.reason == "cancelled":
        raise InferenceFailed("http.answer_cut")
    yield End(first + finished.choice, finished.reason, finished.stop)
    yield finished


def _comment(note: Note, prompt_tokens: int) -> str:
    if isinstance(note, Waiting):
        return f"queue {note.place}"
    if isinstance(note, wire.Loading):
        return f"loading {int(100 * note.progress)}%"
    if isinstance(note, wire.Started):
        return "prefill 0%"
    if isinstance(note, wire.Prefill):
        return f"prefill {100 * note.done // max(prompt_tokens, 1)}%"
    return ""


async def streamed(
    request: web.Request, frames_of: Callable[[EventStream], AsyncGenerator[bytes, None]], last: bytes
) -> web.StreamResponse:
    """Sends what `frames_of` yields, then `last`. The first frame, or an error, decides the status; so does a long
    silence (http.keys.Pace)."""
    async with EventStream(request, request.app[PACE]) as stream:
        try:
            async with aclosing(frames_of(stream)) as frames:
                async for piece in frames:
                    await stream.send(piece)
        except ConnectionError:
            return stream.response
        except Exception as error:
            if not stream.committed:
                raise
            last = frame(error_response.body(error_response.record(error), error_response.language(request)))
        with suppress(ConnectionError):
            await stream.finish(last)
        return stream.response


async def perform(
    request: web.Request, spec: ModelSpec, task: Task, kind: type[Answered]
) -> tuple[list[Answered], wire.Finished]:
    """What the model answers to the task. Raises HoshikageError."""
    found: list[Answered] = []
    finished: wire.Finished | None = None
    notes = rate_limits.asked(request, spec, task)
    async with aclosing(notes):
        async for note in notes:
            if isinstance(note, kind):
                found.append(note)
            elif isinstance(note, wire.Finished):
                finished = note
    if finished is None or finished.reason == "cancelled":
        raise InferenceFailed("http.answer_cut")
    return found, finished


def json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
