"""Serves POST /v1/completions: OpenAI's older interface, prompts continued as they stand. Event loop thread."""

from __future__ import annotations

import asyncio

from aiohttp import web

from hoshikage.answer.choice import model_for
from hoshikage.answer.prepared import PreparedRequest
from hoshikage.answer.schema.prompt_media import has_files
from hoshikage.answer.schema.senses import BLIND
from hoshikage.answer.senses import senses_for
from hoshikage.answer.stream import respond
from hoshikage.http.ignored import read_body
from hoshikage.http.keys import SETTINGS
from hoshikage.protocols.openai import completions_schema as schema
from hoshikage.protocols.openai.completions_writer import CompletionWriter


async def completions(request: web.Request) -> web.StreamResponse:
    body = await read_body(request, schema.parse, schema.WITHOUT_EFFECT, media=True)
    spec = await model_for(request, body.model, "text")
    senses = await senses_for(request, spec) if has_files(body.prompt) else BLIND
    jobs = await asyncio.to_thread(schema.to_requests, body, spec, request.app[SETTINGS], senses)
    prepared = PreparedRequest(spec, jobs)
    return await respond(request, prepared, CompletionWriter(body, prepared), stream=bool(body.stream), ttl=body.ttl)
