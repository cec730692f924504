"""Serves /admin/personas: models with a character, made, listed and removed while the server runs. Event loop
thread."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from hoshikage.http import error_response
from hoshikage.http.json_body import read_json
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import REGISTRY
from hoshikage.messages import text
from hoshikage.protocols.hoshikage import admin_schema as schema
from hoshikage.protocols.hoshikage.admin_files import require_adapter_places
from hoshikage.registry import ModelSpec, Persona, Registry, persona_options


async def listing(request: web.Request) -> web.Response:
    """Lists all of them, and what was passed over."""
    registry, language = request.app[REGISTRY], error_response.language(request)

    def read() -> dict[str, Any]:
        personas = [described(one) for one in registry.personas()]
        problems = [text(language, result.key, **result.details) for result in registry.persona_problems()]
        return {"file": str(registry.personas_file), "personas": personas, "problems": problems}

    return json_response(await asyncio.to_thread(read))


async def add(request: web.Request) -> web.Response:
    """Makes a persona, or replaces the one of that name."""
    tree = await read_json(request)
    return json_response(await asyncio.to_thread(_add, request.app[REGISTRY], schema.parse_persona(tree), tree))


def _add(registry: Registry, body: schema.NewPersona, tree: dict[str, Any]) -> dict[str, Any]:
    sampling = persona_options(tree).kept()
    require_adapter_places(sampling)
    replaced = registry.add_persona(body.name, body.model, body.system, sampling)
    return {"name": body.name, "model": body.model, "system": body.system, **sampling.given(), "replaced": replaced}


async def remove(request: web.Request) -> web.Response:
    """Removes a persona. The model that it used stays."""
    name = request.match_info["name"]
    await asyncio.to_thread(request.app[REGISTRY].remove_persona, name)
    return json_response({"name": name, "removed": True})


def described(entry: ModelSpec | Persona) -> dict[str, Any]:
    """A persona by the names that POST has for its parts."""
    persona = entry if isinstance(entry, Persona) else entry.persona
    assert persona is not None
    return {
        "name": persona.name,
        "model": persona.model,
        "system": persona.system,
        "created": persona.created,
        "available": not isinstance(entry, Persona),
        **persona.sampling.given(),
    }
