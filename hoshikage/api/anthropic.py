"""/v1/messages and /v1/messages/count_tokens, as Anthropic has them. Event loop thread."""

from __future__ import annotations

from aiohttp import web

from hoshikage.api import turn
from hoshikage.api.anthropic_events import MessageWriter, error_body
from hoshikage.api.body import read_json
from hoshikage.api.keys import REGISTRY
from hoshikage.api.models import resolve
from hoshikage.api.schema import anthropic as schema


@turn.shaped(error_body)
async def create(request: web.Request) -> web.StreamResponse:
    body = schema.parse(await read_json(request))
    asked = await _turn(request, body)
    writer = MessageWriter(body, asked.spec.name, certain=asked.job.grammar is not None)
    return await turn.answer(request, asked, writer, stream=bool(body.stream))


@turn.shaped(error_body)
async def count_tokens(request: web.Request) -> web.StreamResponse:
    asked = await _turn(request, schema.parse(await read_json(request), counting=True))
    return turn.json_response({"input_tokens": await turn.count(request, asked)})


async def _turn(request: web.Request, body: schema.MessagesBody) -> turn.Turn:
    """Raises InvalidRequest, ParameterUnsupported, ModelNotFound."""
    spec = await resolve(request.app[REGISTRY], body.model)
    return await turn.turn_of(request, spec, schema.to_chat(body), schema.rename)
