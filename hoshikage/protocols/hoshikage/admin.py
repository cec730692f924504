"""Serves /admin: models registered, removed, loaded and unloaded while the server runs. Event loop thread.

The routes need an admin token or the Unix socket (http.authenticator), and take application/json only.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from hoshikage import gguf
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.dispatch import templates
from hoshikage.dispatch.headroom import available_memory
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import RunnerStatus
from hoshikage.errors import InvalidRequest, ModelNotFound
from hoshikage.http import error_response, listeners
from hoshikage.http.json_body import read_json, read_json_if_any
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER, REGISTRY, SETTINGS, TLS
from hoshikage.messages import text
from hoshikage.protocols.hoshikage import admin_schema as schema
from hoshikage.protocols.hoshikage.admin_files import require_absolute, require_files
from hoshikage.protocols.hoshikage.changes import REGISTRY_CHANGES
from hoshikage.registry import ModelSpec, OwnOptions, Registry, checked_label, own_options


async def listing(request: web.Request) -> web.Response:
    """Lists what is registered, and what was passed over."""
    registry = request.app[REGISTRY]
    models = []
    for spec in await asyncio.to_thread(registry.specs):
        facts = await request.app[MODEL_FILES].facts(spec.file)
        n_ctx = spec.options.n_ctx or request.app[SETTINGS].load_params.n_ctx
        memory = None if facts.header is None else estimated(facts.header, n_ctx, spec.options.mmproj, request)
        models.append({**described(spec), "size_bytes": facts.size, "memory": memory})
    return json_response(
        {
            "file": str(registry.file),
            "models": models,
            "available_bytes": await asyncio.to_thread(available_memory) or None,
            "problems": _problems(request, registry),
        }
    )


async def check(request: web.Request) -> web.Response:
    """Answers what a model's file is, and the memory that it will need; registers nothing. Raises what registering it
    would."""
    body = schema.parse_check(await read_json(request))
    if body.mmproj:
        require_absolute("mmproj", body.mmproj)
    return json_response(await asyncio.to_thread(_check, body, request))


def _check(body: schema.CheckedModel, request: web.Request) -> dict[str, Any]:
    header = gguf.read_chat_model(Path(body.path))
    file = gguf.first(Path(body.path), header)
    if body.mmproj:
        gguf.require_projector(Path(body.mmproj))
    beside = gguf.projector_of(file, header) if body.mmproj is None else None
    mmproj = body.mmproj if beside is None else str(beside)
    source = header.chat_template
    return {
        "path": str(file),
        "architecture": header.architecture,
        "name": header.name,
        "n_params": header.n_params,
        "file_type": header.file_type,
        "size_bytes": header.size_bytes,
        "context_length": header.context_length,
        "chat_template": source is not None,
        "template_fault": templates.fault(source) if source else None,
        "memory": estimated(header, body.n_ctx or request.app[SETTINGS].load_params.n_ctx, mmproj, request),
        "available_bytes": available_memory() or None,
    }


def estimated(header: gguf.GgufHeader, n_ctx: int, mmproj: str | None, request: web.Request) -> dict[str, int]:
    """Returns the needed bytes, as far as the header says."""
    params = replace(request.app[SETTINGS].load_params, n_ctx=n_ctx)
    beside = gguf.projector_bytes(mmproj)
    needed = gguf.estimate(header, params.fitting_ctx(header.context_length), params.n_batch, projector=beside)
    return {
        "n_ctx": needed.n_ctx,
        "weights": needed.weights,
        "kv_cache": needed.kv_cache,
        "compute": needed.compute,
        "projector": needed.projector,
        "total": needed.total,
    }


async def add(request: web.Request) -> web.Response:
    """Registers a model, or replaces the one of that name, after a look at its file."""
    tree = await read_json(request, declared=True)
    body = schema.parse(tree)
    answer = await asyncio.to_thread(_add, request.app[REGISTRY], body, own_options(tree))
    request.app[DISPATCHER].review_pins()
    spec = request.app[REGISTRY].known(body.name)
    loaded = [] if spec is None else [one.serves(spec) for one in _runners(request) if one.model == spec.label]
    return json_response({**answer, "reloads": bool(loaded) and not all(loaded)})


def _add(registry: Registry, body: schema.NewModel, options: OwnOptions) -> dict[str, Any]:
    label, file = checked_label(body.name), Path(body.path)
    header = gguf.read_chat_model(file)
    file = gguf.first(file, header)
    require_files(file, header, options, registry.known(label))
    options = _with_projector(registry, label, file, header, options)
    replaced = registry.add(label, file, body.stop, options)
    return {**described(registry.resolve(label)), "replaced": replaced}


def _with_projector(
    registry: Registry, label: str, file: Path, header: gguf.GgufHeader, options: OwnOptions
) -> OwnOptions:
    """The options with the one projector that lies beside the model, where none is given and none is kept."""
    if options.mmproj is not None:
        return options
    known = registry.known(label)
    keeps = known is not None and known.file == file and known.options.mmproj is not None
    projector = None if keeps or "mmproj" in options.given() else gguf.projector_of(file, header)
    return options if projector is None else options.having(mmproj=str(projector))


async def remove(request: web.Request) -> web.Response:
    """Takes a model out of the registry; its file stays, and so does what is loaded of it until it is idle."""
    name = request.match_info["name"]
    await asyncio.to_thread(request.app[REGISTRY].remove, name)
    request.app[DISPATCHER].review_pins()
    return json_response({"name": name, "removed": True})


async def load(request: web.Request) -> web.Response:
    """Loads a model in its turn; answers when it is ready."""
    await _nothing(request)
    spec = await asyncio.to_thread(request.app[REGISTRY].resolve, request.match_info["name"])
    await request.app[DISPATCHER].preload(spec)
    return json_response({"name": spec.label, "loaded": True})


async def unload_one(request: web.Request) -> web.Response:
    """Unloads a model, unless it is in use; also one that is loaded and not registered any more."""
    await _nothing(request)
    name = request.match_info["name"]
    try:
        spec = await asyncio.to_thread(request.app[REGISTRY].resolve, name)
    except ModelNotFound:
        if all(runner.model != name for runner in _runners(request)):
            raise
        await request.app[DISPATCHER].unload(name)
        return json_response({"name": name, "unloaded": True})
    loaded = any(runner.model == spec.label or runner.serves(spec) for runner in _runners(request))
    await request.app[DISPATCHER].unload(spec)
    return json_response({"name": spec.label, "unloaded": loaded})


def _runners(request: web.Request) -> list[RunnerStatus]:
    """Lists the models that compute, or are about to."""
    return [one for one in request.app[DISPATCHER].status().runners if one.kind != "vocabulary"]


async def unload(request: web.Request) -> web.Response:
    """Unloads whatever is loaded, unless any of it is in use."""
    await _nothing(request)
    status = request.app[DISPATCHER].status()
    name = None if status.state is ModelState.UNLOADED else status.label
    await request.app[DISPATCHER].unload()
    return json_response({"name": name, "unloaded": name is not None})


async def reload(request: web.Request) -> web.Response:
    """Looks at the registry and the certificate anew; says what is different since the last look.

    The registry's changes count from the next request on also without this.
    """
    await _nothing(request)
    tls = request.app.get(TLS)
    if tls is not None:
        await asyncio.to_thread(listeners.load_certificate, tls, request.app[SETTINGS])
    registry = request.app[REGISTRY]
    changes = request.app[REGISTRY_CHANGES].look(await asyncio.to_thread(registry.specs))
    return json_response(
        {
            "file": str(registry.file),
            **changes,
            "problems": _problems(request, registry),
            "certificate_reloaded": tls is not None,
        }
    )


def described(spec: ModelSpec) -> dict[str, Any]:
    """A model by the names that POST /admin/models has for its parts."""
    return {
        "name": spec.label,
        "path": str(spec.file),
        "stop": list(spec.stop),
        "created": spec.created,
        "source": spec.source,
        **spec.options.given(),
    }


async def _nothing(request: web.Request) -> None:
    """Raises UnsupportedMediaType or InvalidRequest for a body that is not `{}` or empty, as JSON."""
    if await read_json_if_any(request, declared=True) not in (None, {}):
        raise InvalidRequest("http.body_unwanted")


def _problems(request: web.Request, registry: Registry) -> list[str]:
    language = error_response.language(request)
    return [text(language, result.key, **result.details) for result in registry.problems()]
