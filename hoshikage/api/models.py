"""GET /v1/models and /v1/models/{id}: the registry as OpenAI's list. Never wakes a model. Event loop thread."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hoshikage.api.keys import REGISTRY
from hoshikage.registry import ModelSpec


async def listing(request: web.Request) -> web.Response:
    return _json({"object": "list", "data": [_model(spec) for spec in request.app[REGISTRY].specs()]})


async def one(request: web.Request) -> web.Response:
    return _json(_model(request.app[REGISTRY].resolve(request.match_info["id"])))


def _model(spec: ModelSpec) -> dict[str, Any]:
    return {"id": spec.label, "object": "model", "created": spec.created, "owned_by": "tane"}


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
