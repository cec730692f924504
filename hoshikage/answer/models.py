"""Which model a name means. Event loop thread; MODEL_DIR is looked through in another."""

from __future__ import annotations

import asyncio

from hoshikage.registry import ModelSpec, Registry


async def resolve(registry: Registry, name: str) -> ModelSpec:
    """The model of that name; MODEL_DIR is only looked through for it, in a thread. Raises ModelNotFound."""
    known = registry.known(name)
    return known if known is not None else await asyncio.to_thread(registry.resolve, name)
