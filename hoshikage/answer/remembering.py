"""What memory does to a request before the engine sees it. Event loop thread.

Memory helps and never stands in the way: where it fails, the request goes on without it, and the answer says so.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from hoshikage import wire
from hoshikage.answer.memory_holder import MEMORY
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.models import n_ctx_of
from hoshikage.answer.submit import perform
from hoshikage.errors import EmbeddingModelNeeded, HoshikageError
from hoshikage.http import error_response
from hoshikage.http.authenticator import CALLER
from hoshikage.http.keys import SETTINGS
from hoshikage.messages import describe, text
from hoshikage.params import ChatPrompt, GenerationRequest, Measuring
from hoshikage.registry import ModelSpec

if TYPE_CHECKING:
    from hoshikage.answer.schema.chat import ChatBody

log: Final = logging.getLogger("hoshikage.memory")
CONDENSED_HEADER: Final = "X-Hoshikage-Condensed"
COUNTED_AT_ONCE: Final = 4_000_000
"""Characters of one question for counts: a frame has a limit."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What memory did to a request."""

    condensed: int = 0
    """Turns that a digest stands for."""
    warnings: tuple[dict[str, str], ...] = ()


NOTHING: Final = Remembered()


async def remembered(
    request: web.Request, spec: ModelSpec, body: ChatBody, job: GenerationRequest
) -> tuple[GenerationRequest, Remembered]:
    """The request with what memory makes of it. Raises InvalidRequest for what the request itself asks wrongly."""
    if not _summarises(request, spec, body):
        return job, NOTHING
    assert isinstance(job.prompt, ChatPrompt)
    found = await request.app[MODEL_FILES].facts(spec.file)
    n_ctx = n_ctx_of(request, spec, found)
    tools = msgspec.json.encode(body.tools).decode() if body.tools else ""
    memory = request.app[MEMORY].memory

    async def count(texts: Sequence[str]) -> list[int]:
        return await _counted(request, spec, texts)

    try:
        made = await memory.summaries.condense(job.prompt, tools, n_ctx, count, CALLER.get().name or "")
    except EmbeddingModelNeeded:
        raise
    except HoshikageError as error:
        return job, Remembered(warnings=(_warning(request, error),))
    if made is None:
        return job, NOTHING
    return replace(job, prompt=made.prompt), Remembered(made.turns)


def _summarises(request: web.Request, spec: ModelSpec, body: ChatBody) -> bool:
    """The request over the persona over the model over the setting."""
    asked = body.memory
    if asked is not None and asked.summary is not None:
        return asked.summary
    personal = {} if spec.persona is None else spec.persona.sampling.values
    own = personal.get("memory_summary", spec.options.values.get("memory_summary"))
    return request.app[SETTINGS].memory_summary if own is None else own == "on"


def _warning(request: web.Request, error: HoshikageError) -> dict[str, str]:
    settings = request.app[SETTINGS]
    log.warning("%s", text(settings.lang, "remember.went_without", reason=describe(settings.lang, error)))
    language = error_response.language(request)
    message = text(language, "remember.went_without", reason=describe(language, error))
    return {"code": "memory_unavailable", "message": message}


async def _counted(request: web.Request, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
    """As the model itself counts; it is loaded for that, and the request will need it anyway."""
    known = request.app[MEMORY].counts
    keys = [hashlib.sha256(f"{spec.file}\0{one}".encode("utf-8", "surrogatepass")).digest() for one in texts]
    unknown = {key: one for key, one in zip(keys, texts, strict=True) if known.get(key) is None}
    found: dict[bytes, int] = {}
    batch: list[bytes] = []
    size = 0
    for key in [*unknown, b""]:
        if batch and (not key or size + len(unknown[key]) > COUNTED_AT_ONCE):
            task = Measuring(tuple(unknown[one] for one in batch))
            events, _ = await perform(request, spec, task, wire.Counts)
            counts = [count for event in events for count in event.counts]
            found.update(zip(batch, counts, strict=True))
            batch, size = [], 0
        if key:
            batch.append(key)
            size += len(unknown[key])
    for key, count in found.items():
        known.put(key, count)
    return [found[key] if key in found else known.get(key) or 0 for key in keys]
