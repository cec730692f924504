"""/v1/messages and /v1/messages/count_tokens, as Anthropic has them. Event loop thread."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from hoshikage.api import turn
from hoshikage.api.anthropic_events import MessageWriter, error_body
from hoshikage.api.ignored import read_body
from hoshikage.api.keys import REGISTRY
from hoshikage.api.models import resolve
from hoshikage.api.schema import anthropic as schema


@turn.shaped(error_body)
async def create(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT)
    asked = await _turn(request, body)
    writer = MessageWriter(body, asked.spec.name, certain=asked.job.grammar is not None)
    return await turn.answer(request, asked, writer, stream=bool(body.stream))


@turn.shaped(error_body)
async def count_tokens(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, partial(schema.parse, counting=True), schema.WITHOUT_EFFECT)
    asked = await _turn(request, body)
    return turn.json_response({"input_tokens": await turn.count(request, asked)})


async def _turn(request: web.Request, body: schema.MessagesBody) -> turn.Turn:
    """Raises InvalidRequest, ParameterUnsupported, ModelNotFound."""
    spec = await resolve(request.app[REGISTRY], body.model)
    return await turn.turn_of(request, spec, schema.to_chat(body), schema.rename)
