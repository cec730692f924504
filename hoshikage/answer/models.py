"""Finds the model that a name means. Event loop thread; MODEL_DIR is looked through in another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from hoshikage.answer.model_files import Facts
from hoshikage.dispatch.status import RunnerStatus
from hoshikage.http.keys import DISPATCHER, SETTINGS
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings


async def resolve(registry: Registry, name: str) -> ModelSpec:
    """Returns the model of that name; MODEL_DIR is only looked through for it, in a thread. Raises ModelNotFound."""
    known = registry.known(name)
    return known if known is not None else await asyncio.to_thread(registry.resolve, name)


def n_ctx_of(request: web.Request, spec: ModelSpec, facts: Facts) -> int:
    """How many tokens a request of the model can really have, prompt and answer together."""
    return n_ctx(spec, facts, request.app[SETTINGS], request.app[DISPATCHER].status().runners)


def n_ctx(spec: ModelSpec, facts: Facts, settings: Settings, runners: Sequence[RunnerStatus]) -> int:
    """Returns the context's length in tokens: of a runner that will answer the model, else of the next load. `runners`
    are those of the status, none where no server runs."""
    for runner in runners:
        if runner.n_ctx and runner.serves(spec):
            return runner.n_ctx
    params = replace(settings.load_params, **spec.options.loading())
    return params.fitting_ctx(facts.header.context_length if facts.header else 0)
