"""Tells Ollama's clients of the models: from the registry, the files' headers and the status. Event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hoshikage.answer import models
from hoshikage.answer.capabilities import abilities, all_specs, thinks
from hoshikage.answer.chat_formats import ChatFormats
from hoshikage.answer.model_files import Facts, ModelFiles, iso
from hoshikage.answer.schema.senses import Senses
from hoshikage.answer.senses import senses_of
from hoshikage.dispatch.status import DispatcherStatus, RunnerStatus
from hoshikage.errors import ModelNotFound
from hoshikage.registry import ModelSpec, Registry, plain, read_tags

LATEST: Final = ":latest"
NEVER_S: Final = 100 * 365 * 86_400.0


async def resolve(registry: Registry, name: str) -> ModelSpec:
    """Returns the model of that name, which Ollama's clients may end with a tag and write in any case. Raises
    ModelNotFound."""
    try:
        return await models.resolve(registry, name)
    except ModelNotFound:
        result = await asyncio.to_thread(alike, registry, name)
        if result is None:
            raise
        return await models.resolve(registry, result)


def alike(registry: Registry, name: str) -> str | None:
    """Returns the name as the registry has it: the same, else one that differs in the tag or in capitals alone."""
    wanted = name.lower().removesuffix(LATEST)
    named = [*(spec.name for spec in all_specs(registry)), *registry.aliases()]
    if name in named:
        return name
    return next((one for one in named if one.lower().removesuffix(LATEST) == wanted), None)


async def tags(
    registry: Registry,
    files: ModelFiles,
    formats: ChatFormats,
    runners: Sequence[RunnerStatus],
    more: Path | None = None,
) -> list[dict[str, Any]]:
    """Lists all models, and what the tags file `more` names beside them."""
    result = []
    for spec in await asyncio.to_thread(all_specs, registry):
        facts, senses = await files.facts(spec.file), await senses_of(files, spec, runners)
        able = capabilities(facts, senses, has_thoughts=await thinks(formats, spec))
        result.append({**_entry(spec, facts), "capabilities": able})
    known = {plain(one["name"]) for one in result}
    return result + [one for one in await asyncio.to_thread(read_tags, more) if plain(one["name"]) not in known]


async def running(
    registry: Registry, files: ModelFiles, status: DispatcherStatus, idle_timeout: float
) -> list[dict[str, Any]]:
    """The loaded models."""
    shown = []
    for runner in status.loaded():
        try:
            spec = await models.resolve(registry, runner.model)
        except ModelNotFound:  # taken out of the registry since
            continue
        result = await files.facts(spec.file)
        more = {
            "size_vram": int(result.size * _share_on_gpu(result, runner.n_gpu_layers)),
            "expires_at": iso(time.time() + _left(runner, idle_timeout)),
            "context_length": runner.n_ctx,
        }
        shown.append({**_entry(spec, result), **more})
    return shown


def _left(runner: RunnerStatus, idle_timeout: float) -> float:
    """Returns the seconds until the model ends: for one that answers, counted as if it were done now."""
    if runner.unload_in is not None:
        return runner.unload_in
    busy = runner.running or runner.waiting
    return idle_timeout if busy and idle_timeout and not runner.pinned else NEVER_S


def capabilities(facts: Facts, senses: Senses, *, has_thoughts: bool) -> list[str]:
    """Returns what the model is for, as its file tells; a model whose file cannot be read is taken for one that
    writes."""
    able = abilities(facts, senses, thinks=has_thoughts)
    named = (
        ("completion", able.text),
        ("tools", able.tools),
        ("thinking", able.thinking),
        ("insert", able.infill),
        ("vision", able.images),
        ("audio", able.audio),
        ("embedding", able.embeddings),
    )
    return [name for name, has in named if has]


def description(
    spec: ModelSpec, facts: Facts, projector: Facts | None, n_ctx: int, senses: Senses, *, has_thoughts: bool
) -> dict[str, Any]:
    """Answers /api/show. `n_ctx`: how much a request can have; `has_thoughts`: whether the template knows thoughts."""
    values = dict(facts.header.values) if facts.header else {}
    template = values.pop("tokenizer.chat_template", "")
    return {
        "modelfile": f"# {spec.name}\nFROM {spec.label}\n",
        "parameters": "\n".join([f"num_ctx {n_ctx}", *(f"stop {stop!r}" for stop in spec.stop)]),
        "template": template,
        "details": facts.details,
        "model_info": values,
        **({"projector_info": dict(projector.header.values)} if projector and projector.header else {}),
        "capabilities": capabilities(facts, senses, has_thoughts=has_thoughts),
        "modified_at": facts.modified_at,
        "license": str(values.get("general.license", "")),
        **({"system": spec.persona.system} if spec.persona else {}),
    }


def _entry(spec: ModelSpec, facts: Facts) -> dict[str, Any]:
    return {
        "name": spec.name,
        "model": spec.name,
        "modified_at": facts.modified_at,
        "size": facts.size,
        "digest": facts.digest,
        "details": facts.details,
    }


def _share_on_gpu(facts: Facts, layers: int) -> float:
    header = facts.header
    total = header.values.get(f"{header.architecture}.block_count", 0) if header else 0
    return min(1.0, layers / (total + 1)) if isinstance(total, int) else 0.0
