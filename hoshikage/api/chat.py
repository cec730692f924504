"""POST /v1/chat/completions: one request from body to answer, streamed or whole. Event loop thread."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from hoshikage import __version__, wire
from hoshikage.api import limits, problem
from hoshikage.api.body import read_json
from hoshikage.api.keys import DISPATCHER, PACE, REGISTRY, SETTINGS
from hoshikage.api.models import resolve
from hoshikage.api.schema import chat as schema
from hoshikage.api.sse import EventStream
from hoshikage.dispatch.client import Note, Waiting
from hoshikage.errors import InferenceFailed

FINGERPRINT: Final = f"hoshikage-{__version__}"
DONE: Final = b"data: [DONE]\n\n"
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Header:
    """What every piece of one answer repeats."""

    id: str
    created: int
    model: str

    @classmethod
    def new(cls, model: str) -> Header:
        return cls(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model)

    def fields(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
        }


class Chunks:
    """The frames of one stream. A content frame is constant bytes around the encoded text."""

    def __init__(self, header: Header) -> None:
        self._fields = header.fields("chat.completion.chunk")
        start = _encode(self._fields)[:-1]  # without the closing brace
        self._before = b"data: " + start + b',"choices":[{"index":0,"delta":{"content":'
        self._after = b'},"finish_reason":null}]}\n\n'

    def role(self) -> bytes:
        return self._chunk([_choice({"role": "assistant", "content": None}, None)])

    def content(self, text: str) -> bytes:
        return self._before + _encode(text) + self._after

    def finish(self, reason: str) -> bytes:
        return self._chunk([_choice({}, reason)])

    def usage(self, finished: wire.Finished) -> bytes:
        return self._chunk([], usage=usage(finished))

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return frame({**self._fields, "choices": choices, **more})


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def frame(value: dict[str, Any]) -> bytes:
    """One event; JSON has no raw line breaks, so one `data:` line holds it."""
    return b"data: " + _encode(value) + b"\n\n"


def usage(finished: wire.Finished) -> dict[str, int]:
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
    }


async def completions(request: web.Request) -> web.StreamResponse:
    body = schema.parse(await read_json(request))
    spec = await resolve(request.app[REGISTRY], body.model)
    job = schema.to_request(body, spec, request.app[SETTINGS])
    notes = limits.metered(request, request.app[DISPATCHER].generate(spec, job))
    header = Header.new(spec.name)
    if body.stream:
        return await _streamed(request, notes, Chunks(header), body.include_usage)
    return await _whole(notes, header)


async def _whole(notes: AsyncGenerator[Note, None], header: Header) -> web.Response:
    texts: list[str] = []
    finished: wire.Finished | None = None
    async with aclosing(notes):
        async for note in notes:
            if isinstance(note, wire.Token):
                texts.append(note.text)
            elif isinstance(note, wire.Finished):
                finished = _completed(note)
    finished = _completed(finished)
    answer = {
        **header.fields("chat.completion"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(texts)},
                "logprobs": None,
                "finish_reason": finished.reason,
            }
        ],
        "usage": usage(finished),
    }
    return web.Response(body=_encode(answer), content_type="application/json")


async def _streamed(
    request: web.Request, notes: AsyncGenerator[Note, None], chunks: Chunks, include_usage: bool
) -> web.StreamResponse:
    """The first token, or an end without one, decides the status; so does a long silence (api.keys.Pace)."""
    async with EventStream(request, request.app[PACE]) as stream:
        try:
            async with aclosing(notes):
                end = await _forward(notes, stream, chunks)
            last = chunks.finish(end.reason) + (chunks.usage(end) if include_usage else b"") + DONE
        except ConnectionError:
            return stream.response
        except Exception as error:
            if not stream.committed:
                raise
            last = frame(problem.body(problem.record(error), problem.language(request)))
        with suppress(ConnectionError):
            await stream.finish(last)
        return stream.response


async def _forward(notes: AsyncGenerator[Note, None], stream: EventStream, chunks: Chunks) -> wire.Finished:
    """Sends the role and the text as they come. Raises what `notes` raises, ConnectionError, InferenceFailed."""
    lead = chunks.role()
    prompt_tokens = 0
    finished: wire.Finished | None = None
    async for note in notes:
        if isinstance(note, wire.Token):
            await stream.send(lead + chunks.content(note.text))
            lead = b""
        elif isinstance(note, wire.Finished):
            finished = note
        elif isinstance(note, wire.Started):
            prompt_tokens = note.prompt_tokens
            stream.comment = "prefill 0%"
        elif isinstance(note, wire.Prefill):
            stream.comment = f"prefill {100 * note.done // max(prompt_tokens, 1)}%"
        elif isinstance(note, wire.Loading):
            stream.comment = f"loading {int(100 * note.progress)}%"
        elif isinstance(note, Waiting):
            stream.comment = f"queue {note.place}"
    finished = _completed(finished)
    if lead:
        await stream.send(lead)
    return finished


def _completed(finished: wire.Finished | None) -> wire.Finished:
    """Raises InferenceFailed where an answer ended without its good end."""
    if finished is None or finished.reason == "cancelled":
        raise InferenceFailed("http.answer_cut")
    return finished
