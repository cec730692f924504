"""Serves GET /v1/models and /v1/models/{id}: models and personas as OpenAI's list. Never wakes a model. Event loop
thread."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.models import n_ctx_of, resolve
from hoshikage.answer.senses import senses_of
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER, REGISTRY
from hoshikage.registry import ModelSpec, Persona, Registry


async def listing(request: web.Request) -> web.Response:
    registry = request.app[REGISTRY]
    result = await asyncio.to_thread(listed, registry)
    return json_response({"object": "list", "data": [await _model(request, *one) for one in result]})


async def one(request: web.Request) -> web.Response:
    registry, name = request.app[REGISTRY], request.match_info["id"]
    spec = await resolve(registry, name)
    return json_response(
        await _model(request, spec, _names_of(registry, spec), name if name in registry.aliases() else "")
    )


Listed = tuple[ModelSpec | Persona, list[str], str]
"""A model stands here with its aliases, and the alias by which it is listed; that is empty for its own name."""


def listed(registry: Registry) -> list[Listed]:
    """Lists models, personas, and each alias by itself, as clients offer what the list has."""
    models = registry.specs()
    labels = {spec.label for spec in models}
    personas = [persona for persona in registry.personas() if persona.name not in labels]
    own: list[Listed] = [(one, _names_of(registry, one), "") for one in (*models, *personas)]
    by_name = {one.name: one for one, _, _ in own}
    further: list[Listed] = [
        (by_name[target], [], alias)
        for alias, target in registry.aliases().items()
        if alias not in by_name and target in by_name
    ]
    return own + further


def _names_of(registry: Registry, one: ModelSpec | Persona) -> list[str]:
    return [alias for alias, target in registry.aliases().items() if target == one.name]


async def _model(request: web.Request, one: ModelSpec | Persona, aliases: list[str], alias: str = "") -> dict[str, Any]:
    """Shows a model as OpenAI has it, with what clients of others look for: the length of the context and the model's
    size.

    `parent` is the model that a persona or an alias uses, as others name the base of a model; `available` is False
    where that one is gone.
    """
    persona = one if isinstance(one, Persona) else one.persona
    created = one.created if persona is None else persona.created
    model: dict[str, Any] = {"id": alias or one.name, "object": "model", "created": created, "owned_by": "tane"}
    if alias:
        model["parent"] = one.name
    elif persona is not None:
        model["parent"] = persona.model
    if aliases:
        model["aliases"] = aliases
    if isinstance(one, Persona):
        return {**model, "available": False}
    result = await request.app[MODEL_FILES].facts(one.file)
    header, n_ctx = result.header, n_ctx_of(request, one, result)
    meta: dict[str, Any] = {"n_ctx": n_ctx}
    if header is not None:
        meta |= {
            "n_ctx_train": header.context_length,
            "n_params": header.n_params,
            "n_vocab": header.n_vocab,
            "size": result.size,
        }
    senses = await senses_of(request.app[MODEL_FILES], one, request.app[DISPATCHER].status().runners)
    takes = ["text", *(["image"] if senses.images else []), *(["audio"] if senses.audio else [])]
    kinds = {"input_modalities": takes, "output_modalities": ["text"]}
    return {**model, "context_length": n_ctx, "max_model_len": n_ctx, "architecture": kinds, "meta": meta}
