"""Says what a model takes beside text, before it is loaded and after. Event loop thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from hoshikage import gguf
from hoshikage.answer.model_files import MODEL_FILES, ModelFiles
from hoshikage.answer.schema.senses import BLIND, Senses
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import RunnerStatus
from hoshikage.http.keys import DISPATCHER
from hoshikage.registry import ModelSpec


async def senses_for(request: web.Request, spec: ModelSpec) -> Senses:
    """Returns what `senses_of` does, for the application of this request."""
    return await senses_of(request.app[MODEL_FILES], spec, request.app[DISPATCHER].status().runners)


async def senses_of(files: ModelFiles, spec: ModelSpec, runners: Sequence[RunnerStatus]) -> Senses:
    """Asks the model's runner where it is loaded as it is registered, else the header of its projector; no model is
    woken for it."""
    if spec.options.mmproj is None:
        return BLIND
    for runner in runners:
        if runner.state is ModelState.READY and (runner.images or runner.audio) and runner.serves(spec):
            return Senses(runner.images, runner.audio)
    header = (await files.facts(Path(spec.options.mmproj))).header
    if header is None:  # the load says what is wrong
        return BLIND
    return Senses(gguf.reads_images(header), gguf.reads_audio(header))
