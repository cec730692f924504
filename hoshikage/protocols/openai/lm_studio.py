"""Serves GET /api/v0/models and /api/v0/models/{id}: the models as LM Studio's older interface lists them. Event loop
thread.

Never wakes a model.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from hoshikage.answer.capabilities import abilities
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.models import n_ctx_of, resolve
from hoshikage.answer.senses import senses_of
from hoshikage.dispatch.model_state import ModelState
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER, REGISTRY
from hoshikage.protocols.openai.models import listed
from hoshikage.registry import ModelSpec


async def listing(request: web.Request) -> web.Response:
    """Lists models, personas and aliases that a model stands behind."""
    result = await asyncio.to_thread(listed, request.app[REGISTRY])
    shown = [await _model(request, one, alias) for one, _, alias in result if isinstance(one, ModelSpec)]
    return json_response({"object": "list", "data": shown})


async def one(request: web.Request) -> web.Response:
    registry, name = request.app[REGISTRY], request.match_info["id"]
    spec = await resolve(registry, name)
    return json_response(await _model(request, spec, name if name in registry.aliases() else ""))


async def _model(request: web.Request, spec: ModelSpec, alias: str) -> dict[str, Any]:
    """The context is what one request can really have, whatever the model was trained on."""
    files, runners = request.app[MODEL_FILES], request.app[DISPATCHER].status().runners
    facts = await files.facts(spec.file)
    able = abilities(facts, await senses_of(files, spec, runners), thinks=False)
    header, name, n_ctx = facts.header, alias or spec.name, n_ctx_of(request, spec, facts)
    loaded = [runner for runner in runners if runner.model == spec.label and runner.state is ModelState.READY]
    made_by = "" if header is None else str(header.values.get("general.organization", ""))
    return {
        "id": name,
        "object": "model",
        "type": "vlm" if able.images else "llm" if able.text else "embeddings",
        "publisher": spec.label.partition("/")[0] if "/" in spec.label else made_by,
        "arch": "" if header is None else header.architecture,
        "compatibility_type": "gguf",
        "quantization": "" if header is None else header.file_type,
        "state": "loaded" if loaded else "not-loaded",
        "max_context_length": n_ctx,
        **({"loaded_context_length": loaded[0].n_ctx or n_ctx} if loaded else {}),
        **({"capabilities": ["tool_use"]} if able.tools else {}),
    }
