"""llama-server's own routes: /completion, /infill, /tokenize, /detokenize, /apply-template. Event loop thread.

Programs made for llama-server name no model, for it has one: that is the loaded one here, or the only registered one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from aiohttp import web

from hoshikage import wire
from hoshikage.answer.models import resolve
from hoshikage.answer.raw import End, Piece, answers, json, perform, streamed
from hoshikage.answer.schema import chat
from hoshikage.answer.schema.tools import select
from hoshikage.answer.shapes import frame, logprobs_of, timings_of
from hoshikage.answer.tool_formats import DIALECTS
from hoshikage.answer.tools import adapted
from hoshikage.errors import InvalidRequest
from hoshikage.http.ignored import look, read_body
from hoshikage.http.json_body import read_json
from hoshikage.http.keys import DISPATCHER, REGISTRY, SETTINGS
from hoshikage.http.sse import EventStream
from hoshikage.params import GenerationRequest, Rendering, TextPrompt
from hoshikage.protocols.llama_server import native_schema
from hoshikage.registry import ModelSpec

STOP_TYPES = {"length": "limit", "stop": "eos"}


async def completion(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, native_schema.parse_completion, native_schema.WITHOUT_EFFECT)
    spec = await model_of(request, body.model)
    return await _answer(request, body, spec, native_schema.completion_requests(body, spec, request.app[SETTINGS]))


async def infill(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, native_schema.parse_infill, native_schema.WITHOUT_EFFECT)
    spec = await model_of(request, body.model)
    return await _answer(request, body, spec, (native_schema.infill_request(body, spec, request.app[SETTINGS]),))


async def tokenize(request: web.Request) -> web.Response:
    body = await read_body(request, native_schema.parse_tokenize)
    spec = await model_of(request, body.model)
    found, _ = await perform(request, spec, body.task, wire.Tokens)
    return await asyncio.to_thread(_tokens, found, with_pieces=bool(body.with_pieces))  # there may be millions


async def detokenize(request: web.Request) -> web.Response:
    body = await read_body(request, native_schema.parse_detokenize)
    spec = await model_of(request, body.model)
    found, _ = await perform(request, spec, body.task, wire.Text)
    return json({"content": "".join(part.text for part in found)})


async def apply_template(request: web.Request) -> web.Response:
    """What the model is given for a body of /v1/chat/completions."""
    tree = await read_json(request)
    spec = await model_of(request, native_schema.model_named(tree))
    body = chat.parse({**tree, "model": spec.name} if isinstance(tree, dict) else tree)
    look(tree, chat.ChatBody, chat.WITHOUT_EFFECT)
    selection = select(body.tools, body.tool_choice, body.parallel_tool_calls)
    dialect = await request.app[DIALECTS].of(spec)
    job, _ = adapted(chat.to_request(body, spec, request.app[SETTINGS]), selection, dialect, spec.stop)
    found, _ = await perform(request, spec, Rendering(job.chat), wire.Text)
    return json({"prompt": "".join(part.text for part in found)})


async def model_of(request: web.Request, name: str | None) -> ModelSpec:
    """The named model; without a name the loaded one, or the only one. Raises ModelNotFound, InvalidRequest."""
    registry = request.app[REGISTRY]
    if name is not None:
        return await resolve(registry, name)
    loaded: str | None = request.app[DISPATCHER].status()["model"]["id"]
    if loaded is not None:
        return await resolve(registry, loaded)
    specs = await asyncio.to_thread(registry.specs)
    if len(specs) == 1:
        return specs[0]
    raise InvalidRequest("http.field_missing", param="model", place="model")


class _Answer:
    """Gathers one prompt's answer."""

    def __init__(self, index: int, job: GenerationRequest, spec: ModelSpec) -> None:
        self.index = index
        self._job = job
        self._spec = spec
        self._texts: list[str] = []
        self._logprobs: list[wire.Chosen] = []
        self._end: End | None = None
        self.prompt_tokens = 0

    def add(self, event: Piece | End) -> None:
        if isinstance(event, End):
            self._end = event
        else:
            self._texts.append(event.text)
            self._logprobs += event.logprobs or ()

    def piece(self, piece: Piece) -> dict[str, Any]:
        """A piece of the stream."""
        shown = {
            "index": self.index,
            "content": piece.text,
            "tokens": [],
            "stop": False,
            "id_slot": 0,
            "tokens_predicted": piece.generated,
            "tokens_evaluated": self.prompt_tokens,
        }
        return {**shown, **_probabilities(piece.logprobs or ())}

    def last(self, finished: wire.Finished, *, whole: bool) -> dict[str, Any]:
        """The end of the stream, or where `whole`, all of it."""
        assert self._end is not None
        text = "".join(self._texts)
        prompt = self._job.prompt
        shown = {
            "index": self.index,
            "content": text if whole else "",
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self._spec.name,
            "tokens_predicted": finished.completion_tokens,
            "tokens_evaluated": finished.prompt_tokens,
            "generation_settings": settings_of(self._job),
            "prompt": prompt.text if isinstance(prompt, TextPrompt) else "",
            "has_new_line": "\n" in text,
            "truncated": False,
            "stop_type": "word" if self._end.stop is not None else STOP_TYPES[self._end.reason],
            "stopping_word": self._end.stop or "",
            "tokens_cached": finished.prompt_tokens + finished.completion_tokens,
            "timings": timings_of(finished),
        }
        return {**shown, **(_probabilities(self._logprobs) if whole else {})}


def settings_of(job: GenerationRequest) -> dict[str, Any]:
    """As llama-server shows them, as far as they exist here."""
    sampling = asdict(job.sampling)
    return {
        **sampling,
        "logit_bias": [list(pair) for pair in job.sampling.logit_bias],
        "n_predict": -1 if job.max_tokens is None else job.max_tokens,
        "n_probs": job.logprobs or 0,
        "stop": list(job.stop),
        "grammar": "" if job.grammar is None else job.grammar.text,
    }


async def _answer(
    request: web.Request, body: native_schema.NativeFields, spec: ModelSpec, jobs: tuple[GenerationRequest, ...]
) -> web.StreamResponse:
    if body.stream:
        return await streamed(request, lambda stream: _frames(request, spec, jobs, stream), b"")
    found: list[dict[str, Any]] = []
    gathered = [_Answer(index, job, spec) for index, job in enumerate(jobs)]
    async with aclosing(answers(request, spec, jobs)) as events:
        async for event in events:
            if isinstance(event, Piece | End):
                gathered[event.index].add(event)
            elif isinstance(event, wire.Finished):
                found.append(gathered[len(found)].last(event, whole=True))
    return json(found if len(found) > 1 else found[0])


async def _frames(
    request: web.Request, spec: ModelSpec, jobs: tuple[GenerationRequest, ...], stream: EventStream
) -> AsyncGenerator[bytes, None]:
    gathered = iter([_Answer(index, job, spec) for index, job in enumerate(jobs)])
    current = next(gathered)
    async with aclosing(answers(request, spec, jobs, stream)) as events:
        async for event in events:
            if isinstance(event, wire.Started):
                current.prompt_tokens = event.prompt_tokens
            elif isinstance(event, wire.Finished):
                yield frame(current.last(event, whole=False))
                current = next(gathered, current)
            else:
                current.add(event)
                if isinstance(event, Piece):
                    yield frame(current.piece(event))


def _probabilities(logprobs: tuple[wire.Chosen, ...] | list[wire.Chosen]) -> dict[str, Any]:
    return {"completion_probabilities": logprobs_of(logprobs)["content"]} if logprobs else {}


def _tokens(found: list[wire.Tokens], *, with_pieces: bool) -> web.Response:
    shown: list[Any] = []
    for part in found:
        if with_pieces:
            shown += [{"id": one, "piece": _piece(raw)} for one, raw in zip(part.tokens, part.pieces, strict=True)]
        else:
            shown += part.tokens
    return json({"tokens": shown})


def _piece(raw: bytes) -> str | list[int]:
    """Text, or bytes where it is no whole character."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return list(raw)
