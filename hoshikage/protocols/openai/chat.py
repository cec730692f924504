"""POST /v1/chat/completions: one request from body to answer, streamed or whole. Event loop thread."""

from __future__ import annotations

from aiohttp import web

from hoshikage.answer.models import resolve
from hoshikage.answer.prepared import prepare
from hoshikage.answer.schema import chat as schema
from hoshikage.answer.stream import respond
from hoshikage.http.ignored import read_body
from hoshikage.http.keys import REGISTRY
from hoshikage.protocols.openai.chat_writer import ChatWriter


async def completions(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT)
    spec = await resolve(request.app[REGISTRY], body.model)
    prepared = await prepare(request, spec, body)
    return await respond(request, prepared, ChatWriter(body, spec.name), stream=bool(body.stream))
