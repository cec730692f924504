"""Serves GET /props and /slots: what programs made for llama-server ask about it. Never wakes a model. Event loop
thread."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from hoshikage import __version__, gguf
from hoshikage.answer.model_files import MODEL_FILES, Facts
from hoshikage.answer.models import resolve
from hoshikage.answer.schema.prompt_media import MARKER
from hoshikage.answer.schema.senses import BLIND
from hoshikage.answer.senses import senses_of
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import DispatcherStatus
from hoshikage.errors import GgufInvalid, ModelNotFound, Unavailable
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER, REGISTRY, SETTINGS
from hoshikage.params import GenerationRequest, LoadParams, SamplingParams, TextPrompt
from hoshikage.protocols.llama_server.writer import settings_of
from hoshikage.registry import ModelSpec, read_template, template_name

CHATS: Final = {
    "supports_string_content": True,
    "supports_typed_content": True,
    "supports_system_role": True,
    "supports_tools": True,
    "supports_tool_calls": True,
    "supports_parallel_tool_calls": True,
    "supports_object_arguments": True,
}
"""A conversation may hold all this: the same for every template, as what a template cannot write is mended for it."""
SIZES: Final = {"S": "Small", "M": "Medium", "L": "Large"}


async def props(request: web.Request) -> web.Response:
    """Tells of the model that the query names, else of the loaded one, else of the only one; paths are nobody's
    business."""
    spec = await _model(request)
    template, n_ctx = "", request.app[SETTINGS].load_params.n_ctx
    if spec is not None:
        template, n_ctx = await asyncio.to_thread(_of_file, spec, request.app[SETTINGS].load_params)
    status = request.app[DISPATCHER].status()
    files = request.app[MODEL_FILES]
    facts = Facts() if spec is None else await files.facts(spec.file)
    senses = BLIND if spec is None else await senses_of(files, spec, status.runners)
    return json_response(
        {
            "default_generation_settings": {**_slot(status, n_ctx), "params": _defaults(request)},
            "total_slots": request.app[SETTINGS].load_params.n_parallel,
            "model_alias": "" if spec is None else spec.name,
            "model_path": "" if spec is None else spec.name,
            "model_ftype": "" if facts.header is None else _in_words(facts.header.file_type),
            "chat_template": template,
            **({"chat_template_caps": CHATS} if spec is not None and facts.purpose in ("text", "") else {}),
            **_ends(status, spec),
            "media_marker": MARKER,
            "modalities": {"vision": senses.images, "audio": senses.audio},
            "build_info": f"hoshikage-{__version__}",
            "is_sleeping": status.state is ModelState.UNLOADED,
        }
    )


async def slots(request: web.Request) -> web.Response:
    status = request.app[DISPATCHER].status()
    if request.query.get("fail_on_no_slot") and status.queue.running >= request.app[SETTINGS].load_params.n_parallel:
        raise Unavailable("http.no_slot", retry_after=1)
    n_ctx = request.app[SETTINGS].load_params.n_ctx if status.model is None else status.model.n_ctx
    params = _defaults(request)
    return json_response(
        [
            {**_slot(status, n_ctx, number), "params": params}
            for number in range(request.app[SETTINGS].load_params.n_parallel)
        ]
    )


async def _model(request: web.Request) -> ModelSpec | None:
    registry = request.app[REGISTRY]
    if name := request.query.get("model"):
        return await resolve(registry, name)
    if (label := request.app[DISPATCHER].status().label) is not None:
        with suppress(ModelNotFound):  # it is loaded, and not registered any more
            return await resolve(registry, label)
    specs = await asyncio.to_thread(registry.specs)
    return specs[0] if len(specs) == 1 else None


def _of_file(spec: ModelSpec, params: LoadParams) -> tuple[str, int]:
    """Reads the chat template and the length of the context. Blocks on the disk."""
    template = read_template(spec.options.chat_template)
    params = replace(params, **spec.options.loading())
    try:
        header = gguf.read(spec.file)
    except GgufInvalid:
        return template or "", params.n_ctx
    fits = params.fitting_ctx(header.context_length)
    if template is None:
        own = gguf.templates(header)
        template = own.get(template_name(spec.options.chat_template) or "default", "")
    return template, fits


def _in_words(file_type: str) -> str:
    """Names a type of files as llama.cpp writes it out: `Q4_K - Medium`."""
    if file_type == "Q2_K":
        return "Q2_K - Medium"
    name, _, size = file_type.rpartition("_")
    return f"{name} - {SIZES[size]}" if name.endswith("_K") and size in SIZES else file_type


def _ends(status: DispatcherStatus, spec: ModelSpec | None) -> dict[str, str]:
    """Returns the texts of the two tokens, where the model is loaded."""
    info = status.model if spec is not None and status.label == spec.label else None
    return {} if info is None else {"bos_token": info.bos_token, "eos_token": info.eos_token}


def _slot(status: DispatcherStatus, n_ctx: int, number: int = 0) -> dict[str, Any]:
    """The first slots are shown as those that are busy; which answer has which is the runner's business."""
    busy = status.queue.running > number
    return {"id": number, "id_task": -1, "n_ctx": n_ctx, "speculative": False, "is_processing": busy}


def _defaults(request: web.Request) -> dict[str, Any]:
    settings = request.app[SETTINGS]
    sampling = SamplingParams(temperature=settings.temperature, top_p=settings.top_p)
    return settings_of(GenerationRequest(TextPrompt(""), sampling))
