"""GET /v1/models and /v1/models/{id}: models and personas as OpenAI's list. Never wakes a model. Event loop thread."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from hoshikage.answer.models import resolve
from hoshikage.http.keys import REGISTRY
from hoshikage.registry import ModelSpec, Persona, Registry


async def listing(request: web.Request) -> web.Response:
    return _json({"object": "list", "data": await asyncio.to_thread(_all, request.app[REGISTRY])})


async def one(request: web.Request) -> web.Response:
    return _json(_model(await resolve(request.app[REGISTRY], request.match_info["id"])))


def _all(registry: Registry) -> list[dict[str, Any]]:
    models = registry.specs()
    labels = {spec.label for spec in models}
    personas = [persona for persona in registry.personas() if persona.name not in labels]
    return [_model(one) for one in (*models, *personas)]


def _model(one: ModelSpec | Persona) -> dict[str, Any]:
    """`parent` is the model that a persona uses, as others name the base of a model; `available` is False where that
    one is gone."""
    persona = one if isinstance(one, Persona) else one.persona
    created = one.created if persona is None else persona.created
    model: dict[str, Any] = {"id": one.name, "object": "model", "created": created, "owned_by": "tane"}
    if persona is not None:
        model["parent"] = persona.model
    if isinstance(one, Persona):
        model["available"] = False
    return model


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
