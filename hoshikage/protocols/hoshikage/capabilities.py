"""Serves GET /v1/capabilities: what each model can do, as data for programs that set themselves up. Event loop
thread."""

from __future__ import annotations

from aiohttp import web

from hoshikage import __version__
from hoshikage.answer.capabilities import capabilities as all_capabilities
from hoshikage.answer.chat_formats import CHAT_FORMATS
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER, ORIGIN_POLICY, REGISTRY, SETTINGS


async def capabilities(request: web.Request) -> web.StreamResponse:
    app = request.app
    result = await all_capabilities(
        app[REGISTRY],
        app[MODEL_FILES],
        app[CHAT_FORMATS],
        app[SETTINGS],
        runners=app[DISPATCHER].status().runners,
        token_needed=app[ORIGIN_POLICY].needs_token,
    )
    return json_response({"version": __version__, **result})
