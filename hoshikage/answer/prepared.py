"""One answer of one choice, whatever the protocol: from a chat to the engine, and its notes to a writer. Event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from hoshikage import wire
from hoshikage.answer.schema import chat
from hoshikage.answer.schema.tools import select
from hoshikage.answer.shapes import REPAIR_HEADER
from hoshikage.answer.tool_formats import DIALECTS
from hoshikage.answer.tools import End, Reader, Reading, adapted
from hoshikage.dispatch.client import Note, Waiting
from hoshikage.errors import ContextLengthExceeded, HoshikageError, InferenceFailed, InvalidRequest
from hoshikage.http import error_response, rate_limits
from hoshikage.http.keys import DISPATCHER, PACE, REQUEST_ID, SETTINGS, Pace
from hoshikage.http.sse import EventStream
from hoshikage.messages import Language, text
from hoshikage.params import GenerationRequest
from hoshikage.registry import ModelSpec
from hoshikage.tools import Delta

SSE: Final = "text/event-stream; charset=utf-8"
SILENT: Final = Pace(commit_after=86_400.0, comment_every=86_400.0)
"""For streams whose form has no comments."""

Rename = Callable[[str], str]
"""From a field of a chat body to that of the protocol's own."""
ErrorBody = Callable[[HoshikageError, Language], dict[str, Any]]
Warnings = list[dict[str, str]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked of the engine, and how the answer is to be read."""

    spec: ModelSpec
    job: GenerationRequest
    reading: Reading
    rename: Rename = str
    """What the engine's refusals call a field -> what the protocol does."""


class Writer(Protocol):
    """Makes one protocol's frames of an answer as it comes, and keeps the whole of it. Pure."""

    content_type: str
    """Of the stream."""

    def begin(self, prompt_tokens: int) -> bytes:
        """Before all else."""
        ...

    def say(self, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int) -> bytes:
        """A piece of the answer, with the log probabilities of its tokens; so many tokens have come so far."""
        ...

    def end(self, end: End, finished: wire.Finished, warnings: Warnings) -> bytes:
        """After all else; what `end` holds in deltas has been said. Where there are warnings, `warnings` tells them."""
        ...

    def fail(self, error: HoshikageError, tongue: Language) -> bytes:
        """In place of `end`, where the answer breaks off."""
        ...

    def whole(self) -> dict[str, Any]:
        """The answer as one value, once it has ended."""
        ...


async def turn_of(request: web.Request, spec: ModelSpec, body: chat.ChatBody, rename: Rename) -> Turn:
    """Raises InvalidRequest, ParameterUnsupported; their places are the protocol's own, by `rename`."""
    try:
        selection = select(body.tools, body.tool_choice, body.parallel_tool_calls)
        dialect = await request.app[DIALECTS].of(spec)
        asked = chat.to_request(body, spec, request.app[SETTINGS])
        job, reading = adapted(asked, selection, dialect, spec.stop)
    except InvalidRequest as error:
        raise _renamed(error, rename) from None
    return Turn(spec, job, reading, rename)


def _renamed(error: InvalidRequest, rename: Rename) -> InvalidRequest:
    details = dict(error.details)
    for name in ("place", "names"):
        if name in details:
            details[name] = ", ".join(map(rename, str(details[name]).split(", ")))
    return type(error).of(error.key, details, param=None if error.param is None else rename(error.param))


async def answer(
    request: web.Request, turn: Turn, writer: Writer, *, stream: bool, ended: Callable[[], None] | None = None
) -> web.StreamResponse:
    """`ended` is called once the answer is whole, before the client is told so.

    Raises what the engine raises, as long as the status can still be told.
    """
    notes = rate_limits.asked(request, turn.spec, turn.job, whole=not stream)
    words = text(error_response.language(request), "http.tool_call_unparsed")
    unparsed = [{"code": "tool_call_unparsed", "message": words}]
    feed = _Feed(turn.reading, writer, ended or _nothing, unparsed)
    try:
        if stream:
            return await _streamed(request, notes, feed, writer)
        async with aclosing(notes):
            async for note in notes:
                feed.take(note)
    except InvalidRequest as error:
        raise _renamed(error, turn.rename) from None
    feed.require_end()
    return json_response(writer.whole(), feed.headers)


async def count(request: web.Request, turn: Turn) -> int:
    """How many tokens the prompt has, as the engine itself counts them: it is not read, and no answer is begun."""
    notes = request.app[DISPATCHER].generate(turn.spec, replace(turn.job, max_tokens=1))
    try:
        async with aclosing(notes):
            async for note in notes:
                if isinstance(note, wire.Started):
                    return note.prompt_tokens
    except ContextLengthExceeded as error:
        return int(error.details["n_prompt_tokens"])
    raise InferenceFailed("http.answer_cut")


def _nothing() -> None:
    pass


def json_response(value: Any, headers: dict[str, str] | None = None, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )


def shaped(body: ErrorBody) -> Callable[[Handler], Handler]:
    """The handler's errors in its protocol's own shape; status and headers as everywhere."""

    def wrap(handler: Handler) -> Handler:
        async def wrapped(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Exception as error:  # noqa: BLE001 - a border: everything becomes an answer and a log line
                told, tongue = error_response.record(error), error_response.language(request)
                response = error_response.response(told, tongue)
                response.body = msgspec.json.encode(body(told, tongue))
                response.headers["request-id"] = REQUEST_ID.get()
                return response

        return wrapped

    return wrap


def message_of(error: HoshikageError, tongue: Language) -> str:
    """The error in words."""
    return str(error_response.body(error, tongue)["error"]["message"])


async def _streamed(
    request: web.Request, notes: AsyncGenerator[Note, None], feed: _Feed, writer: Writer
) -> web.StreamResponse:
    """The first piece, or an end without one, decides the status; so does a long silence where comments fill it."""
    pace = request.app[PACE] if writer.content_type == SSE else SILENT
    last = b""
    async with EventStream(request, pace) as stream:
        stream.response.headers["Content-Type"] = writer.content_type
        try:
            async with aclosing(notes):
                async for note in notes:
                    frames = feed.take(note)
                    if feed.ended:
                        last = frames
                    elif frames:
                        await stream.send(frames)
                    elif not stream.committed:
                        stream.response.headers.update(feed.headers)
                    stream.comment = feed.comment
            feed.require_end()
        except ConnectionError:
            return stream.response
        except Exception as error:
            if not stream.committed:
                raise
            last = feed.lead() + writer.fail(error_response.record(error), error_response.language(request))
        with suppress(ConnectionError):
            await stream.finish(last)
        return stream.response


class _Feed:
    """Turns notes into frames."""

    def __init__(self, reading: Reading, writer: Writer, at_end: Callable[[], None], unparsed: Warnings) -> None:
        """`unparsed` is told where something looked like a call and was none."""
        self._unparsed = unparsed
        self._reading = reading
        self._at_end = at_end
        self._writer = writer
        self._reader = Reader(reading, "")
        self._prompt_tokens = 0
        self._begun = False
        self._completion_tokens = 0
        self.headers: dict[str, str] = {"request-id": REQUEST_ID.get()}
        """What has become known for the answer's headers."""
        self.comment = "waiting"
        """What a silent stream says."""
        self.ended = False

    def take(self, note: Note) -> bytes:
        """The frames to send now. Raises InferenceFailed for an end that is none."""
        if isinstance(note, wire.Token):
            self._completion_tokens = note.completion_tokens
            return self._said(self._reader.feed(note.text), note.logprobs or ())
        if isinstance(note, wire.Finished):
            return self._finished(note)
        self._progress(note)
        return b""

    def require_end(self) -> None:
        """Raises InferenceFailed where the notes ended too soon."""
        if not self.ended:
            raise InferenceFailed("http.answer_cut")

    def lead(self) -> bytes:
        """What begins the answer, once."""
        if self._begun:
            return b""
        self._begun = True
        return self._writer.begin(self._prompt_tokens)

    def _said(self, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen]) -> bytes:
        lead = self.lead() if deltas else b""  # first, as writers number their frames
        return lead + self._writer.say(deltas, logprobs, self._completion_tokens)

    def _finished(self, note: wire.Finished) -> bytes:
        if note.reason == "cancelled":
            raise InferenceFailed("http.answer_cut")
        self.ended = True
        self._prompt_tokens, self._completion_tokens = note.prompt_tokens, note.completion_tokens
        end = self._reader.finish(note.reason)
        lead = self.lead()
        warnings = [] if end.parsed else self._unparsed
        frames = lead + self._said(end.deltas, ()) + self._writer.end(end, note, warnings)
        self._at_end()
        return frames

    def _progress(self, note: Note) -> None:
        if isinstance(note, wire.Started):
            self._prompt_tokens = note.prompt_tokens
            self._reader = Reader(self._reading, note.tail)
            if note.repairs:
                self.headers[REPAIR_HEADER] = ", ".join(note.repairs)
            self.comment = "prefill 0%"
        elif isinstance(note, wire.Prefill):
            self.comment = f"prefill {100 * note.done // max(self._prompt_tokens, 1)}%"
        elif isinstance(note, wire.Loading):
            self.comment = f"loading {int(100 * note.progress)}%"
        elif isinstance(note, Waiting):
            self.comment = f"queue {note.place}"
