"""Chooses the model that a request means: the one that it names, or the one that answers where it names none. Event
loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Literal

from aiohttp import web

from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.models import resolve
from hoshikage.errors import InvalidRequest, ModelNotFound
from hoshikage.http import ignored
from hoshikage.http.keys import DISPATCHER, REGISTRY, SETTINGS
from hoshikage.registry import ModelSpec, Registry

Ability = Literal["text", "embeddings", "rerank"]
Find = Callable[[Registry, str], Awaitable[ModelSpec]]
MAX_LOOKED_INTO: Final = 64
"""So many models' files are looked into for the only one that can answer; MODEL_DIR may hold a thousand."""
MAX_NAMED: Final = 50


async def model_for(
    request: web.Request, name: str | None, ability: Ability | None = None, find: Find = resolve
) -> ModelSpec:
    """Returns the named model; without a name, or with UNKNOWN_MODEL=default for a name that nobody knows, the default
    one.

    The default is DEFAULT_MODEL, else the loaded model, else PRELOAD's, else the only one there is; each only where it
    has the ability (None: any will do). `find` looks for a name. Raises ModelNotFound, InvalidRequest that names the
    models to choose from.
    """
    if name:
        try:
            return await find(request.app[REGISTRY], name)
        except ModelNotFound:
            if request.app[SETTINGS].unknown_model != "default":
                raise
            ignored.current().add("model")
    result = await default_model(request, ability)
    if result is not None:
        return result
    specs = await asyncio.to_thread(request.app[REGISTRY].specs)
    if not specs:
        raise InvalidRequest("http.no_model_yet", param="model")
    known = ", ".join([spec.label for spec in specs[:MAX_NAMED]] + (["…"] if len(specs) > MAX_NAMED else []))
    raise InvalidRequest("http.model_needed", param="model", known=known)


async def default_model(request: web.Request, ability: Ability | None) -> ModelSpec | None:
    """Returns the model that answers requests that name none; None where that is not certain."""
    for wanted in ("embeddings", "text") if ability == "embeddings" else (ability,):  # a model for chats embeds as well
        async for spec in _candidates(request):
            if await _can(request, spec, wanted):
                return spec
        result = await _only(request, wanted)
        if result is not None:
            return result
    return None


async def _candidates(request: web.Request) -> AsyncIterator[ModelSpec]:
    """Yields the models that are meant before others, as far as they are known."""
    settings = request.app[SETTINGS]
    status = request.app[DISPATCHER].status()
    beside = [runner.model for runner in status.runners if runner.kind in ("embeddings", "rerank")]
    for name in (settings.default_model, status.label, *beside, settings.preload):
        if name is None:
            continue
        try:
            yield await resolve(request.app[REGISTRY], name)
        except ModelNotFound:
            if name == settings.default_model:
                raise


async def _only(request: web.Request, ability: str | None) -> ModelSpec | None:
    """Returns the only registered model with the ability; several names of one model count once."""
    specs = await asyncio.to_thread(request.app[REGISTRY].specs)
    result: dict[tuple[object, object], ModelSpec] = {}
    for spec in specs[:MAX_LOOKED_INTO]:
        if (spec.file, spec.options) not in result and await _can(request, spec, ability):
            result[spec.file, spec.options] = spec
            if len(result) > 1:
                return None
    return next(iter(result.values())) if result and len(specs) <= MAX_LOOKED_INTO else None


async def _can(request: web.Request, spec: ModelSpec, ability: str | None) -> bool:
    """A model whose file cannot be read is not ruled out: a request for it says what is wrong."""
    if ability is None:
        return True
    return (await request.app[MODEL_FILES].facts(spec.file)).purpose in (ability, "")
