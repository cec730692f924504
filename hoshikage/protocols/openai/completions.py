"""POST /v1/completions: OpenAI's older interface, prompts continued as they stand. Event loop thread."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from aiohttp import web

from hoshikage import wire
from hoshikage.answer.models import resolve
from hoshikage.answer.raw import End, Piece, answers, json, streamed
from hoshikage.answer.shapes import DONE, FINGERPRINT, frame, timings_of
from hoshikage.http.ignored import read_body
from hoshikage.http.keys import REGISTRY, SETTINGS
from hoshikage.http.sse import EventStream
from hoshikage.params import GenerationRequest
from hoshikage.protocols.openai import completions_schema as schema
from hoshikage.registry import ModelSpec


async def completions(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT)
    spec = await resolve(request.app[REGISTRY], body.model)
    jobs = schema.to_requests(body, spec, request.app[SETTINGS])
    fields = {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": spec.name,
        "system_fingerprint": FINGERPRINT,
    }
    if body.stream:
        return await streamed(request, lambda stream: _frames(request, spec, jobs, body, fields, stream), DONE)
    return await _whole(request, spec, jobs, body, fields)


class Answer:
    """Gathers one choice, and counts its characters."""

    def __init__(self) -> None:
        self.text = ""
        self.reason: str | None = None
        self._told: dict[str, list[Any]] = {}
        self._sum = 0.0
        self._count = 0

    def add(self, piece: Piece, top: int | None) -> dict[str, Any]:
        """The piece as a choice of its own, as streams have it."""
        logprobs = None if top is None else logprobs_of(piece.logprobs or (), len(self.text), top)
        self.text += piece.text
        if piece.generated:
            self._sum += sum(one.token.logprob for one in piece.logprobs or ())
            self._count += len(piece.logprobs or ())
        for name, values in (logprobs or {}).items():
            if values is not None:
                self._told.setdefault(name, []).extend(values)
        return {"text": piece.text, "index": piece.index, "logprobs": logprobs, "finish_reason": None}

    @property
    def likelihood(self) -> float:
        """The mean log probability of its tokens."""
        return self._sum / self._count if self._count else -math.inf

    def choice(self, index: int, top: int | None) -> dict[str, Any]:
        logprobs = None if top is None else {**logprobs_of((), 0, top), **self._told}
        return {"text": self.text, "index": index, "logprobs": logprobs, "finish_reason": self.reason}


def logprobs_of(tokens: Iterable[wire.Chosen], offset: int, top: int) -> dict[str, Any]:
    """OpenAI's older form, for text that begins `offset` characters into the answer.

    `top` 0 tells of the tokens alone. The first token of a prompt has no probability: null.
    """
    told = list(tokens)
    offsets = []
    for one in told:
        offsets.append(offset)
        offset += len(one.token.text)
    return {
        "tokens": [one.token.text for one in told],
        "token_logprobs": [None if math.isnan(one.token.logprob) else one.token.logprob for one in told],
        "top_logprobs": [_likeliest(one) for one in told] if top else None,
        "text_offset": offsets,
    }


def _likeliest(one: wire.Chosen) -> dict[str, float] | None:
    """Also the chosen token, where it is not among them."""
    if math.isnan(one.token.logprob):
        return None
    return {_name(likely): likely.logprob for likely in (one.token, *one.top)}


def _name(token: wire.Likely) -> str:
    """A token's text, or its bytes where it is no whole character."""
    try:
        return token.raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.raw)


async def _whole(
    request: web.Request,
    spec: ModelSpec,
    jobs: tuple[GenerationRequest, ...],
    body: schema.CompletionBody,
    fields: dict[str, Any],
) -> web.Response:
    gathered = [Answer() for _ in range(len(jobs) * body.drawn)]
    ends: list[wire.Finished] = []
    async with aclosing(answers(request, spec, jobs)) as events:
        async for event in events:
            if isinstance(event, Piece):
                gathered[event.index].add(event, body.logprobs)
            elif isinstance(event, End):
                gathered[event.index].reason = event.reason
            elif isinstance(event, wire.Finished):
                ends.append(event)
    told: list[Answer] = []
    for start in range(0, len(gathered), body.drawn):
        group = gathered[start : start + body.drawn]
        if body.drawn > body.wanted:
            group.sort(key=lambda one: one.likelihood, reverse=True)
        told += group[: body.wanted]
    return json(
        {
            **fields,
            "choices": [one.choice(index, body.logprobs) for index, one in enumerate(told)],
            "usage": usage(ends),
            **({"timings": timings_of(ends[-1])} if body.timings else {}),
        }
    )


async def _frames(
    request: web.Request,
    spec: ModelSpec,
    jobs: tuple[GenerationRequest, ...],
    body: schema.CompletionBody,
    fields: dict[str, Any],
    stream: EventStream,
) -> AsyncGenerator[bytes, None]:
    gathered = [Answer() for _ in range(len(jobs) * body.drawn)]
    ends: list[wire.Finished] = []
    async with aclosing(answers(request, spec, jobs, stream)) as events:
        async for event in events:
            if isinstance(event, Piece):
                yield frame({**fields, "choices": [gathered[event.index].add(event, body.logprobs)]})
            elif isinstance(event, End):
                choice = {"text": "", "index": event.index, "logprobs": None, "finish_reason": event.reason}
                yield frame({**fields, "choices": [choice]})
            elif isinstance(event, wire.Finished):
                ends.append(event)
    if body.include_usage:
        yield frame({**fields, "choices": [], "usage": usage(ends)})


def usage(ends: Iterable[wire.Finished]) -> dict[str, Any]:
    """Of all prompts together."""
    told = list(ends)
    prompt, answer = sum(end.prompt_tokens for end in told), sum(end.completion_tokens for end in told)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": sum(end.timings.cached_tokens for end in told)},
    }
