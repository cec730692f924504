"""Serves /v1/responses: OpenAI's Responses, made, kept for a while, told again and forgotten. Event loop thread."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from msgspec import Raw

from hoshikage.answer.choice import model_for
from hoshikage.answer.prepared import PreparedRequest, count_prompt_tokens, prepare
from hoshikage.answer.schema.turns import ChatMessage
from hoshikage.answer.stream import respond
from hoshikage.errors import InvalidRequest, NotFound, ParameterUnsupported
from hoshikage.http.authenticator import CALLER
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.protocols.openai import responses_schema as schema
from hoshikage.protocols.openai.response_store import RESPONSES
from hoshikage.protocols.openai.responses_writer import ResponseWriter


@dataclass(frozen=True, slots=True)
class _Asked:
    body: schema.ResponsesBody
    turn: PreparedRequest
    turns: list[ChatMessage]
    """`turns` is the conversation without the instructions, which the next response does not go on with."""


async def create(request: web.Request) -> web.StreamResponse:
    prepared = await _asked(request)
    store = request.app[RESPONSES]
    stored = store.keeps and prepared.body.store is not False
    writer = ResponseWriter(prepared.body, prepared.turn, stored=stored)

    def keep() -> None:
        if stored:
            store.add(CALLER.get().name, writer.whole(), [*prepared.turns, *writer.turns()])

    return await respond(
        request, prepared.turn, writer, stream=bool(prepared.body.stream), ttl=prepared.body.ttl, ended=keep
    )


async def retrieve(request: web.Request) -> web.Response:
    if request.query.get("stream", "false").lower() not in ("", "false", "0"):
        raise ParameterUnsupported("http.unsupported_parameter", param="stream", place="stream")
    name = request.match_info["id"]
    kept = request.app[RESPONSES].get(CALLER.get().name, name)
    if kept is None:
        raise _unknown(name)
    return json_response(Raw(kept.response))


async def delete(request: web.Request) -> web.Response:
    name = request.match_info["id"]
    if not request.app[RESPONSES].remove(CALLER.get().name, name):
        raise _unknown(name)
    return json_response({"id": name, "object": "response", "deleted": True})


async def input_tokens(request: web.Request) -> web.Response:
    prepared = await _asked(request)
    tokens = await count_prompt_tokens(request, prepared.turn)
    return json_response({"object": "response.input_tokens", "input_tokens": tokens})


async def _asked(request: web.Request) -> _Asked:
    """Raises InvalidRequest, ParameterUnsupported, ModelNotFound."""
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text")
    before: list[ChatMessage] = []
    if body.previous_response_id is not None:
        kept = request.app[RESPONSES].get(CALLER.get().name, body.previous_response_id)
        if kept is None:
            name = body.previous_response_id[:100]
            raise InvalidRequest("http.previous_response_unknown", param="previous_response_id", name=name)
        before = list(kept.turns)
    chat_body = schema.to_chat(body, before)
    prepared = await prepare(request, spec, chat_body, schema.rename)
    skipped = 1 if body.instructions else 0
    return _Asked(body, prepared, chat_body.messages[skipped:])


def _unknown(name: str) -> NotFound:
    return NotFound("http.response_not_found", name=name[:100])
