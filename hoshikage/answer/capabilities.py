"""What each model can do, as GET /v1/capabilities tells it: from the files and the settings. Event loop thread.

No model is woken for it. `hoshikage connect` asks here too where no server runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from hoshikage.answer.chat_formats import ChatFormats
from hoshikage.answer.model_files import Facts, ModelFiles
from hoshikage.answer.models import n_ctx
from hoshikage.answer.schema.senses import Senses
from hoshikage.answer.senses import senses_of
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import RunnerStatus
from hoshikage.errors import ModelNotFound
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings

INFILL: Final = ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id")
PROTOCOLS: Final = {
    "openai": "/v1",
    "anthropic": "/v1/messages",
    "ollama": "/api",
    "llama_server": "",
}
"""Maps a protocol to the path below which it is spoken."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """These flags say what a model can do here."""

    text: bool
    tools: bool
    thinking: bool
    infill: bool
    embeddings: bool
    rerank: bool
    images: bool
    audio: bool
    """`audio` is true where a projector reads pictures for it, and sound."""


def abilities(facts: Facts, senses: Senses, *, thinks: bool) -> Abilities:
    """Returns what the model is for, as its file tells; a model whose file cannot be read is taken for one that
    writes."""
    values = facts.header.values if facts.header else {}
    writes = facts.purpose in ("text", "")
    return Abilities(
        text=writes,
        tools=writes,
        thinking=writes and thinks,
        infill=writes and any(name in values for name in INFILL),
        embeddings=facts.purpose == "embeddings",
        rerank=facts.purpose == "rerank",
        images=writes and senses.images,
        audio=writes and senses.audio,
    )


async def thinks(formats: ChatFormats, spec: ModelSpec) -> bool:
    """Returns whether the model's template knows thoughts."""
    chat_format = await formats.of(spec)
    return chat_format.thinking is not None or chat_format.known.whole_answer


async def capabilities(
    registry: Registry,
    files: ModelFiles,
    formats: ChatFormats,
    settings: Settings,
    *,
    runners: Sequence[RunnerStatus],
    token_needed: bool,
) -> dict[str, Any]:
    """`runners` are those of the status; none where no server runs."""
    loaded = {runner.model for runner in runners if runner.state is ModelState.READY}
    specs = await asyncio.to_thread(all_specs, registry)
    aliases = registry.aliases()
    models = []
    for spec in specs:
        result = await files.facts(spec.file)
        senses = await senses_of(files, spec, runners)
        able = abilities(result, senses, thinks=await thinks(formats, spec))
        header = result.header
        models.append(
            {
                "id": spec.name,
                "aliases": [alias for alias, target in aliases.items() if target == spec.name],
                "purpose": result.purpose or "text",
                "available": header is not None,
                "loaded": spec.label in loaded,
                "context_length": n_ctx(spec, result, settings, runners),
                "context_length_trained": header.context_length if header else None,
                "size_bytes": result.size,
                "n_params": header.n_params if header else None,
                "capabilities": asdict(able),
            }
        )
    return {
        "object": "capabilities",
        "protocols": PROTOCOLS,
        "token_needed": token_needed,
        "models": models,
    }


def all_specs(registry: Registry) -> list[ModelSpec]:
    """Returns the models, and the personas whose model is there."""
    specs = list(registry.specs())
    labels = {spec.label for spec in specs}
    for persona in registry.personas():
        if persona.name not in labels:
            with suppress(ModelNotFound):  # its model is gone
                specs.append(registry.resolve(persona.name))
    return specs
