"""Serves Ollama's /api: chat, generate, embed, tags, show, ps and version. Event loop thread."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from hoshikage import wire
from hoshikage.answer.capabilities import thinks
from hoshikage.answer.chat_formats import CHAT_FORMATS
from hoshikage.answer.choice import model_for
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.models import n_ctx_of
from hoshikage.answer.output_parser import PLAIN
from hoshikage.answer.prepared import PreparedRequest, prepare
from hoshikage.answer.remembering import NOTHING
from hoshikage.answer.senses import senses_of
from hoshikage.answer.stream import respond
from hoshikage.answer.submit import keep, kept_s, perform
from hoshikage.answer.vectors import floats_of
from hoshikage.dispatch.wanted import load_key
from hoshikage.errors import InvalidRequest
from hoshikage.http import ignored
from hoshikage.http.authenticator import CALLER
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER, REGISTRY, SETTINGS
from hoshikage.params import Embedding, InfillPrompt, TextPrompt
from hoshikage.protocols.ollama import keep_alive, models
from hoshikage.protocols.ollama import ollama_schema as schema
from hoshikage.protocols.ollama.models import resolve
from hoshikage.protocols.ollama.writer import Kind, LineWriter, now
from hoshikage.registry import ModelSpec, Registry

SPOKEN: Final = "0.14.0"
"""This is the version of Ollama whose API is spoken; clients refuse older ones than they were made for."""


async def chat(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse_chat, schema.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text", resolve)
    if not body.messages:
        return await _loaded(request, spec, body, "chat")
    prepared = await prepare(request, spec, schema.chat_of(body), schema.rename)
    return await _answer(request, prepared, body, "chat")


async def generate(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse_generate, schema.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text", resolve)
    if not body.prompt and not body.suffix and not body.images:
        return await _loaded(request, spec, body, "generate")
    prepared = await prepare(request, spec, schema.chat_of_prompt(body), schema.rename)
    return await _answer(request, _framed(prepared, body), body, "generate")


async def embed(request: web.Request) -> web.StreamResponse:
    began = time.monotonic()
    body = await read_body(request, schema.parse_embed, schema.WITHOUT_EFFECT)
    spec = await model_for(request, body.model, "embeddings", resolve)
    inputs = (body.input,) if isinstance(body.input, str) and body.input else tuple(body.input)
    answer: dict[str, Any] = {"model": body.model or spec.name, "embeddings": [], "prompt_eval_count": 0}
    load_ms = 0.0
    if inputs:
        task = Embedding(inputs, body.dimensions, body.truncate is not False)
        vectors, finished = await perform(request, spec, task, wire.Vector)
        answer["embeddings"] = [floats_of(vector.values) for vector in vectors]
        answer["prompt_eval_count"] = finished.prompt_tokens
        load_ms = finished.timings.load_ms
    else:
        await request.app[DISPATCHER].preload(spec)
    keep(request, spec, _kept_s(spec, body))
    total = int((time.monotonic() - began) * 1e9)
    return json_response({**answer, "total_duration": total, "load_duration": int(load_ms * 1e6)})


async def embeddings(request: web.Request) -> web.StreamResponse:
    """Serves the older form of embed, for one text."""
    body = await read_body(request, schema.parse_embeddings, {"options": "loads a model"})
    spec = await model_for(request, body.model, "embeddings", resolve)
    vector: list[float] = []
    if body.prompt:
        result, _ = await perform(request, spec, Embedding((body.prompt,), None, True), wire.Vector)
        vector = floats_of(result[0].values)
    else:
        await request.app[DISPATCHER].preload(spec)
    keep(request, spec, _kept_s(spec, body))
    return json_response({"embedding": vector})


async def tags(request: web.Request) -> web.StreamResponse:
    app = request.app
    runners = app[DISPATCHER].status().runners
    result = await models.tags(
        app[REGISTRY], app[MODEL_FILES], app[CHAT_FORMATS], runners, app[SETTINGS].tag_ollama_file
    )
    return json_response({"models": result})


async def show(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse_show, schema.WITHOUT_EFFECT)
    spec = await resolve(request.app[REGISTRY], body.asked)
    result = await request.app[MODEL_FILES].facts(spec.file)
    files, mmproj = request.app[MODEL_FILES], spec.options.mmproj
    projector = None if mmproj is None else await files.facts(Path(mmproj))
    senses = await senses_of(files, spec, request.app[DISPATCHER].status().runners)
    n_ctx, thoughts = n_ctx_of(request, spec, result), await thinks(request.app[CHAT_FORMATS], spec)
    return json_response(models.description(spec, result, projector, n_ctx, senses, has_thoughts=thoughts))


async def ps(request: web.Request) -> web.StreamResponse:
    app = request.app
    status, idle = app[DISPATCHER].status(), app[SETTINGS].idle_timeout
    return json_response({"models": await models.running(app[REGISTRY], app[MODEL_FILES], status, idle)})


async def version(_request: web.Request) -> web.StreamResponse:
    return json_response({"version": SPOKEN})


async def _answer(
    request: web.Request, prepared: PreparedRequest, body: schema.AnswerFields, kind: Kind
) -> web.StreamResponse:
    writer = LineWriter(kind, body.model or prepared.spec.name, shows_thoughts=body.shows_thoughts)
    ttl = _kept_s(prepared.spec, body)
    return await respond(request, prepared, writer, stream=body.stream is not False, ttl=ttl)


def _framed(prepared: PreparedRequest, body: schema.GenerateRequest) -> PreparedRequest:
    """Lets the prompt go on behind the conversation so far; or leaves the chat template out, where the prompt stays as
    it is or has a suffix."""
    if not body.raw and not body.suffix:
        going_on = replace(prepared.job.chat, before=tuple(body.context or ()))
        return replace(prepared, jobs=(replace(prepared.job, prompt=going_on, return_tokens=True, return_prompt=True),))
    prompt = InfillPrompt(body.prompt or "", body.suffix) if body.suffix else TextPrompt(body.prompt or "")
    job = replace(prepared.job, prompt=prompt, special_text=())
    return replace(prepared, jobs=(job,), parsing=PLAIN, memory=NOTHING)


def _kept_s(
    spec: ModelSpec, body: schema.AnswerFields | schema.EmbedRequest | schema.EmbeddingsRequest
) -> float | None:
    return kept_s(spec, keep_alive.kept_s(body.keep_alive), "keep_alive")


def _is_pinned(registry: Registry, spec: ModelSpec) -> bool:
    """Whether the model is pinned by this name or another one. Blocks on the disk."""
    return any(one.options.pin and load_key(one) == load_key(spec) for one in registry.specs())


async def _loaded(request: web.Request, spec: ModelSpec, body: schema.AnswerFields, kind: Kind) -> web.Response:
    """A request for nothing loads the model, or unloads it where it shall stay for no time. Only an administrator
    unloads one that is pinned."""
    unloads = keep_alive.kept_s(body.keep_alive) == 0
    if unloads and not CALLER.get().is_admin and await asyncio.to_thread(_is_pinned, request.app[REGISTRY], spec):
        ignored.note("keep_alive")
        unloads = False
    elif not unloads:
        await request.app[DISPATCHER].preload(spec)
        keep(request, spec, _kept_s(spec, body))
    else:
        try:
            await request.app[DISPATCHER].unload(spec)
        except InvalidRequest:  # it is in use
            request.app[DISPATCHER].keep(spec, 0)
    fields: dict[str, Any] = (
        {"response": ""} if kind == "generate" else {"message": {"role": "assistant", "content": ""}}
    )
    return json_response(
        {
            "model": body.model or spec.name,
            "created_at": now(),
            **fields,
            "done": True,
            "done_reason": "unload" if unloads else "load",
        }
    )
