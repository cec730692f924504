"""Serves /v1/messages and /v1/messages/count_tokens, as Anthropic has them. Event loop thread."""

from __future__ import annotations

from aiohttp import web

from hoshikage.answer.choice import model_for
from hoshikage.answer.prepared import PreparedRequest, count_prompt_tokens, prepare
from hoshikage.answer.stream import respond
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.protocols.anthropic import messages_schema as schema
from hoshikage.protocols.anthropic.writer import MessageWriter


async def create(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT, media=True)
    prepared = await _turn(request, body)
    writer = MessageWriter(body, prepared.spec.name, certain=prepared.job.grammar is not None)
    return await respond(request, prepared, writer, stream=bool(body.stream))


async def count_tokens(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT, media=True)
    prepared = await _turn(request, body)
    return json_response({"input_tokens": await count_prompt_tokens(request, prepared)})


async def _turn(request: web.Request, body: schema.MessagesBody) -> PreparedRequest:
    """Raises InvalidRequest, ParameterUnsupported, ModelNotFound."""
    spec = await model_for(request, body.model, "text")
    return await prepare(request, spec, schema.to_chat(body), schema.rename)
