"""Serves Ollama's /api/copy and /api/delete: names that are given and taken. Files of models stay. Event loop thread.

The routes need what the other routes of administration need, and take application/json only.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from hoshikage.errors import InvalidRequest
from hoshikage.http.json_body import read_json
from hoshikage.http.keys import DISPATCHER, REGISTRY
from hoshikage.protocols.ollama import ollama_schema as schema
from hoshikage.protocols.ollama.models import LATEST, alike, resolve
from hoshikage.registry import ModelSpec, Registry, checked_label


async def copy(request: web.Request) -> web.Response:
    """Registers what a name means under a further one, which goes its own way from then on."""
    body = schema.parse_copy(await read_json(request, declared=True))
    registry = request.app[REGISTRY]
    spec = await resolve(registry, body.source)
    try:
        name = checked_label(body.destination.removesuffix(LATEST))
    except InvalidRequest as error:
        raise InvalidRequest.of(error.key, error.details, param="destination") from None
    await asyncio.to_thread(_copy, registry, spec, name)
    return web.Response()


async def delete(request: web.Request) -> web.Response:
    """Takes a model, a persona or an alias out of the registry. Raises ModelNotFound."""
    body = schema.parse_delete(await read_json(request, declared=True))
    await asyncio.to_thread(_delete, request.app[REGISTRY], body.asked)
    request.app[DISPATCHER].review_pins()
    return web.Response()


def _copy(registry: Registry, spec: ModelSpec, name: str) -> None:
    if spec.persona is not None:
        registry.add_persona(name, spec.label, spec.persona.system, spec.persona.sampling)
    else:
        registry.add(name, spec.file, spec.stop, spec.options)


def _delete(registry: Registry, model: str) -> None:
    name = alike(registry, model) or model
    if name in registry.aliases():
        registry.remove_alias(name)
    elif name in {one.name for one in registry.personas()}:
        registry.remove_persona(name)
    else:
        registry.remove(name)
