"""GET /health, /v1/status and /v1/api/version. None of them wakes a model. Event loop thread."""

from __future__ import annotations

import msgspec
from aiohttp import web

from hoshikage import __version__
from hoshikage.api.keys import DISPATCHER


async def health(_request: web.Request) -> web.Response:
    """200 as long as the server lives, whatever the model does."""
    return _json({"status": "ok"})


async def status(request: web.Request) -> web.Response:
    return _json({"status": "ok", "version": __version__, **request.app[DISPATCHER].status()})


async def version(_request: web.Request) -> web.Response:
    return _json({"version": __version__})


def _json(value: dict[str, object]) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
