"""Serves llama-server's own routes: /completion, /infill, /tokenize, /detokenize, /apply-template. Event loop thread.

Programs made for llama-server name no model, for it has one: that is the loaded one here, or the only registered one.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web

from hoshikage import wire
from hoshikage.answer.chat_formats import CHAT_FORMATS
from hoshikage.answer.choice import model_for
from hoshikage.answer.prepared import PreparedRequest, requested
from hoshikage.answer.schema import chat
from hoshikage.answer.schema.prompt_media import MARKER, has_files
from hoshikage.answer.schema.senses import BLIND
from hoshikage.answer.schema.tools import select
from hoshikage.answer.senses import senses_for
from hoshikage.answer.stream import respond
from hoshikage.answer.submit import perform
from hoshikage.answer.tools import adapted
from hoshikage.answer.vectors import floats_of
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import SETTINGS
from hoshikage.params import GenerationRequest, Rendering
from hoshikage.protocols.llama_server import native_schema
from hoshikage.protocols.llama_server.writer import NativeWriter
from hoshikage.registry import ModelSpec


async def completion(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, native_schema.parse_completion, native_schema.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text")
    senses = await senses_for(request, spec) if has_files(body.prompt) else BLIND
    jobs = await asyncio.to_thread(native_schema.completion_requests, body, spec, request.app[SETTINGS], senses)
    return await _respond(request, body, spec, jobs)


async def infill(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, native_schema.parse_infill, native_schema.WITHOUT_EFFECT)
    spec = await model_for(request, body.model, "text")
    return await _respond(request, body, spec, (native_schema.infill_request(body, spec, request.app[SETTINGS]),))


async def embedding(request: web.Request) -> web.Response:
    """Answers a list with the vector of each text."""
    body = await read_body(request, native_schema.parse_embedding)
    spec = await model_for(request, body.model, "embeddings")
    vectors, _ = await perform(request, spec, body.task, wire.Vector)
    return await asyncio.to_thread(_vectors, vectors)


def _vectors(vectors: list[wire.Vector]) -> web.Response:
    return json_response([{"index": index, "embedding": [floats_of(one.values)]} for index, one in enumerate(vectors)])


async def tokenize(request: web.Request) -> web.Response:
    body = await read_body(request, native_schema.parse_tokenize)
    spec = await model_for(request, body.model)
    result, _ = await perform(request, spec, body.task, wire.Tokens)
    return await asyncio.to_thread(_tokens, result, with_pieces=bool(body.with_pieces))  # there may be millions


async def detokenize(request: web.Request) -> web.Response:
    body = await read_body(request, native_schema.parse_detokenize)
    spec = await model_for(request, body.model)
    result, _ = await perform(request, spec, body.task, wire.Text)
    return json_response({"content": "".join(part.text for part in result)})


async def apply_template(request: web.Request) -> web.Response:
    """Answers what the model is given for a body of /v1/chat/completions."""
    body = await read_body(request, chat.parse, chat.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text")
    selection = select(body.tools, body.tool_choice, body.parallel_tool_calls)
    chat_format = await request.app[CHAT_FORMATS].of(spec)
    job, _ = adapted(await requested(request, spec, body), selection, chat_format, spec.stop)
    result, _ = await perform(request, spec, Rendering(replace(job.chat, media=())), wire.Text)
    prompt = "".join(part.text for part in result)
    for medium in job.chat.media:
        prompt = prompt.replace(medium.mark, MARKER)
    return json_response({"prompt": prompt})


async def _respond(
    request: web.Request, body: native_schema.NativeFields, spec: ModelSpec, jobs: tuple[GenerationRequest, ...]
) -> web.StreamResponse:
    prepared = PreparedRequest(spec, jobs)
    return await respond(request, prepared, NativeWriter(prepared, body), stream=bool(body.stream), ttl=body.ttl)


def _tokens(results: list[wire.Tokens], *, with_pieces: bool) -> web.Response:
    shown: list[Any] = []
    for part in results:
        if with_pieces:
            shown += [{"id": one, "piece": _piece(raw)} for one, raw in zip(part.tokens, part.pieces, strict=True)]
        else:
            shown += part.tokens
    return json_response({"tokens": shown})


def _piece(raw: bytes) -> str | list[int]:
    """Returns a token's text, or its bytes where it is no whole character."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return list(raw)
