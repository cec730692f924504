"""/v1/messages and /v1/messages/count_tokens, as Anthropic has them. Event loop thread."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from hoshikage.answer import prepared
from hoshikage.answer.models import resolve
from hoshikage.http.ignored import read_body
from hoshikage.http.keys import REGISTRY
from hoshikage.protocols.anthropic import messages_schema as schema
from hoshikage.protocols.anthropic.writer import MessageWriter, error_body


@prepared.shaped(error_body)
async def create(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT)
    asked = await _turn(request, body)
    writer = MessageWriter(body, asked.spec.name, certain=asked.job.grammar is not None)
    return await prepared.answer(request, asked, writer, stream=bool(body.stream))


@prepared.shaped(error_body)
async def count_tokens(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, partial(schema.parse, counting=True), schema.WITHOUT_EFFECT)
    asked = await _turn(request, body)
    return prepared.json_response({"input_tokens": await prepared.count(request, asked)})


async def _turn(request: web.Request, body: schema.MessagesBody) -> prepared.Turn:
    """Raises InvalidRequest, ParameterUnsupported, ModelNotFound."""
    spec = await resolve(request.app[REGISTRY], body.model)
    return await prepared.turn_of(request, spec, schema.to_chat(body), schema.rename)
