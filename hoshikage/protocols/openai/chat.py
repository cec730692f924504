"""POST /v1/chat/completions: one request from body to answer, streamed or whole. Event loop thread."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from hoshikage import wire
from hoshikage.answer.models import resolve
from hoshikage.answer.schema import chat as schema
from hoshikage.answer.schema.tools import select
from hoshikage.answer.shapes import DONE, FINGERPRINT, REPAIR_HEADER, frame, logprobs_of, timings_of, usage
from hoshikage.answer.tool_formats import DIALECTS
from hoshikage.answer.tools import End, Reader, Reading, adapted, delta_fields, message
from hoshikage.dispatch.client import Note, Waiting
from hoshikage.errors import InferenceFailed
from hoshikage.http import error_response, rate_limits
from hoshikage.http.ignored import read_body
from hoshikage.http.keys import PACE, REGISTRY, SETTINGS
from hoshikage.http.sse import EventStream
from hoshikage.messages import text
from hoshikage.tools import Delta

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Header:
    """What every piece of one answer repeats."""

    id: str
    created: int
    model: str
    tier: str | None
    """The service tier, told where the request names one."""

    @classmethod
    def new(cls, model: str, tier: str | None) -> Header:
        return cls(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model, tier)

    def fields(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            **({} if self.tier is None else {"service_tier": self.tier}),
        }


class Chunks:
    """The frames of one stream. A content frame is constant bytes around the encoded text."""

    def __init__(self, header: Header) -> None:
        self._fields = header.fields("chat.completion.chunk")
        self._start = b"data: " + _encode(self._fields)[:-1]  # without the closing brace
        self._befores: dict[int, bytes] = {}
        self._after = b'},"finish_reason":null}]}\n\n'

    def role(self, index: int) -> bytes:
        """The choice of this number begins."""
        self._befores[index] = self._start + b',"choices":[{"index":%d,"delta":{"content":' % index
        return self._chunk([_choice(index, {"role": "assistant", "content": None}, None)])

    def content(self, token: wire.Token) -> bytes:
        """Text of a choice that has begun."""
        before = self._befores[token.choice]
        if token.logprobs is None:
            return before + _encode(token.text) + self._after
        logprobs = _encode(logprobs_of(token.logprobs))
        return before + _encode(token.text) + b'},"logprobs":' + logprobs + self._after[1:]

    def deltas(self, index: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen]) -> bytes:
        """What the choice of this number says, with the log probabilities of its tokens on the first of the chunks."""
        frames: list[bytes] = []
        for fields in filter(None, map(delta_fields, deltas)):
            choice = _choice(index, fields, None)
            if logprobs and not frames:
                choice["logprobs"] = logprobs_of(logprobs)
            frames.append(self._chunk([choice]))
        return b"".join(frames)

    def finish(self, index: int, reason: str, **more: Any) -> bytes:
        """The choice of this number has ended."""
        return self._chunk([_choice(index, {}, reason)], **more)

    def usage(self, finished: wire.Finished) -> bytes:
        return self._chunk([], usage=usage(finished))

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return frame({**self._fields, "choices": choices, **more})


def _choice(index: int, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish_reason}


async def completions(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT)
    spec = await resolve(request.app[REGISTRY], body.model)
    selection = select(body.tools, body.tool_choice, body.parallel_tool_calls)
    dialect = await request.app[DIALECTS].of(spec)
    job, reading = adapted(schema.to_request(body, spec, request.app[SETTINGS]), selection, dialect, spec.stop)
    notes = rate_limits.asked(request, spec, job, whole=not body.stream)
    header = Header.new(spec.name, None if body.service_tier is None else "default")
    if body.stream:
        return await _streamed(request, notes, Chunks(header), body, reading)
    return await _whole(request, notes, header, body, reading)


class Answer:
    """Gathers one choice."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.logprobs: list[wire.Chosen] = []
        self.reason: wire.FinishReason = "stop"

    def add(self, token: wire.Token) -> None:
        self.texts.append(token.text)
        self.logprobs += token.logprobs or ()

    def choice(self, index: int, reader: Reader, *, logprobs: bool) -> tuple[dict[str, Any], bool]:
        """As OpenAI has it; and whether all that looked like a call could be read."""
        deltas = reader.feed("".join(self.texts)) if self.texts else []
        end = reader.finish(self.reason)
        choice = {
            "index": index,
            "message": message([*deltas, *end.deltas]),
            "logprobs": logprobs_of(self.logprobs) if logprobs else None,
            "finish_reason": end.reason,
        }
        return choice, end.parsed


async def _whole(
    request: web.Request,
    notes: AsyncGenerator[Note, None],
    header: Header,
    body: schema.ChatBody,
    reading: Reading,
) -> web.Response:
    choices = [Answer() for _ in range(body.n or 1)]
    started: wire.Started | None = None
    finished: wire.Finished | None = None
    async with aclosing(notes):
        async for note in notes:
            if isinstance(note, wire.Token):
                choices[note.choice].add(note)
            elif isinstance(note, wire.ChoiceEnd):
                choices[note.choice].reason = note.reason
            elif isinstance(note, wire.Started):
                started = note
            elif isinstance(note, wire.Finished):
                finished = _completed(note)
                choices[finished.choice].reason = finished.reason
    finished = _completed(finished)
    tail = "" if started is None else started.tail
    read = [one.choice(index, Reader(reading, tail), logprobs=bool(body.logprobs)) for index, one in enumerate(choices)]
    answer = {
        **header.fields("chat.completion"),
        "choices": [choice for choice, _ in read],
        "usage": usage(finished),
        **({"timings": timings_of(finished)} if body.timings else {}),
        **({} if all(parsed for _, parsed in read) else _warnings(request)),
    }
    repairs = () if started is None else started.repairs
    return web.Response(body=_encode(answer), content_type="application/json", headers=_headers(repairs))


def _headers(repairs: Sequence[str]) -> dict[str, str]:
    return {REPAIR_HEADER: ", ".join(repairs)} if repairs else {}


def _warnings(request: web.Request) -> dict[str, Any]:
    """What is told of an answer in which something looked like a call and was none."""
    words = text(error_response.language(request), "http.tool_call_unparsed")
    return {"warnings": [{"code": "tool_call_unparsed", "message": words}]}


async def _streamed(
    request: web.Request,
    notes: AsyncGenerator[Note, None],
    chunks: Chunks,
    body: schema.ChatBody,
    reading: Reading,
) -> web.StreamResponse:
    """The first token, or an end without one, decides the status; so does a long silence (http.keys.Pace)."""
    async with EventStream(request, request.app[PACE]) as stream:
        forwarding = Forwarding(stream, chunks, reading, _warnings(request))
        try:
            async with aclosing(notes):
                end = await forwarding.run(notes)
            last = forwarding.last(**({"timings": timings_of(end)} if body.timings else {}))
            last += (chunks.usage(end) if body.include_usage else b"") + DONE
        except ConnectionError:
            return stream.response
        except Exception as error:
            if not stream.committed:
                raise
            last = frame(error_response.body(error_response.record(error), error_response.language(request)))
        with suppress(ConnectionError):
            await stream.finish(last)
        return stream.response


class _Choice:
    """What is known of one choice while it is sent."""

    def __init__(self, index: int, lead: bytes, reader: Reader) -> None:
        self.index = index
        self.lead = lead
        """What goes out before its first piece."""
        self.reader = reader
        self.logprobs: list[wire.Chosen] = []
        self.end = End((), "stop", True)


class Forwarding:
    """Sends the choices of one answer as they come; those that are computed together come mixed."""

    def __init__(self, stream: EventStream, chunks: Chunks, reading: Reading, warnings: dict[str, Any]) -> None:
        """`warnings` go with the end of a choice in which something looked like a call and was none."""
        self._stream = stream
        self._chunks = chunks
        self._reading = reading
        self._warnings = warnings
        self._started: wire.Started | None = None
        self._choices: dict[int, _Choice] = {}
        self._last: _Choice | None = None

    async def run(self, notes: AsyncGenerator[Note, None]) -> wire.Finished:
        """All but the last choice's end. Raises what `notes` raises, ConnectionError, InferenceFailed."""
        finished: wire.Finished | None = None
        async for note in notes:
            if isinstance(note, wire.Token):
                choice = self._choices.get(note.choice) or self._begun(note.choice)
                if frames := self._frames(choice, note):
                    await self._send(choice, frames)
            elif isinstance(note, wire.Finished):
                finished = note
            elif isinstance(note, wire.ChoiceEnd):
                choice = self._choices.get(note.choice) or self._begun(note.choice)
                await self._send(choice, self._ended(choice, note.reason) + self._finish(choice))
            else:
                self._progress(note)
        finished = _completed(finished)
        self._last = choice = self._choices.get(finished.choice) or self._begun(finished.choice)
        await self._send(choice, self._ended(choice, finished.reason))
        return finished

    def last(self, **more: Any) -> bytes:
        """The frame that ends the last choice."""
        assert self._last is not None
        return self._finish(self._last, **more)

    def _begun(self, index: int) -> _Choice:
        tail = self._started.tail if self._started else ""
        choice = self._choices[index] = _Choice(index, self._chunks.role(index), Reader(self._reading, tail))
        return choice

    def _finish(self, choice: _Choice, **more: Any) -> bytes:
        warnings = {} if choice.end.parsed else self._warnings
        return self._chunks.finish(choice.index, choice.end.reason, **more, **warnings)

    async def _send(self, choice: _Choice, frames: bytes) -> None:
        frames, choice.lead = choice.lead + frames, b""
        if frames:
            await self._stream.send(frames)

    def _frames(self, choice: _Choice, token: wire.Token) -> bytes:
        if self._reading.plain:
            return self._chunks.content(token)
        choice.logprobs += token.logprobs or ()
        return self._said(choice, choice.reader.feed(token.text))

    def _said(self, choice: _Choice, deltas: Sequence[Delta]) -> bytes:
        """The log probabilities of tokens that nothing has come of yet wait for the next that something comes of."""
        frames = self._chunks.deltas(choice.index, deltas, choice.logprobs)
        if frames:
            choice.logprobs = []
        return frames

    def _ended(self, choice: _Choice, reason: wire.FinishReason) -> bytes:
        """What is left of the choice."""
        choice.end = choice.reader.finish(reason)
        return self._said(choice, choice.end.deltas)

    def _progress(self, note: Note) -> None:
        """What the comments of a silent stream say."""
        stream = self._stream
        if isinstance(note, wire.Started):
            self._started = note
            if not stream.committed:
                stream.response.headers.update(_headers(note.repairs))
            stream.comment = "prefill 0%"
        elif isinstance(note, wire.Prefill):
            total = self._started.prompt_tokens if self._started else 0
            stream.comment = f"prefill {100 * note.done // max(total, 1)}%"
        elif isinstance(note, wire.Loading):
            stream.comment = f"loading {int(100 * note.progress)}%"
        elif isinstance(note, Waiting):
            stream.comment = f"queue {note.place}"


def _completed(finished: wire.Finished | None) -> wire.Finished:
    """Raises InferenceFailed where an answer ended without its good end."""
    if finished is None or finished.reason == "cancelled":
        raise InferenceFailed("http.answer_cut")
    return finished
