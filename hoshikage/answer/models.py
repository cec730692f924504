"""Which model a name means. Event loop thread; MODEL_DIR is looked through in another."""

from __future__ import annotations

import asyncio

from aiohttp import web

from hoshikage.answer.model_files import Facts
from hoshikage.http.keys import DISPATCHER, SETTINGS
from hoshikage.registry import ModelSpec, Registry


async def resolve(registry: Registry, name: str) -> ModelSpec:
    """The model of that name; MODEL_DIR is only looked through for it, in a thread. Raises ModelNotFound."""
    known = registry.known(name)
    return known if known is not None else await asyncio.to_thread(registry.resolve, name)


def n_ctx_of(request: web.Request, spec: ModelSpec, found: Facts) -> int:
    """How many tokens a request of the model can really have, prompt and answer together."""
    for runner in request.app[DISPATCHER].status()["runners"]:
        if runner["model"] == spec.label and runner.get("n_ctx"):
            return int(runner["n_ctx"])
    wanted = spec.options.n_ctx or request.app[SETTINGS].load_params.n_ctx
    trained = found.header.context_length if found.header else 0
    return min(wanted, trained) if trained else wanted
