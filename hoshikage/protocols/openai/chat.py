"""Serves POST /v1/chat/completions: one request from body to answer, streamed or whole. Event loop thread."""

from __future__ import annotations

from aiohttp import web

from hoshikage.answer.choice import model_for
from hoshikage.answer.prepared import count_prompt_tokens, prepare
from hoshikage.answer.schema import chat as schema
from hoshikage.answer.stream import respond
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.protocols.openai.chat_writer import ChatWriter


async def completions(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text")
    prepared = await prepare(request, spec, body)
    return await respond(request, prepared, ChatWriter(body, spec.name), stream=bool(body.stream), ttl=body.ttl)


async def input_tokens(request: web.Request) -> web.Response:
    """Answers how many tokens the prompt of a chat has."""
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text")
    prepared = await prepare(request, spec, body)
    return json_response({"input_tokens": await count_prompt_tokens(request, prepared)})
