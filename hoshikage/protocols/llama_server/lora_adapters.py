"""Serves GET and POST /lora-adapters: a model's LoRA adapters, and how much of each its answers have. Event loop
thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from hoshikage import wire
from hoshikage.answer.choice import model_for
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.schema.lora import LoraScales, chosen_lora, scales_in_force
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.submit import perform
from hoshikage.gguf.adapters import invocation_of
from hoshikage.http.json_body import read_json
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import LORA_SCALES
from hoshikage.params import Detokenization, Scaled
from hoshikage.registry import ModelSpec


class LoraChoice(Struct, frozen=True):
    """These are the scales of a model's adapters; one that is not named has 0."""

    adapters: LoraScales
    model: str | None = None


USES: Final = ("task_name", "prompt_prefix")
"""An adapter's file may say these things of its use."""
CHOICE: Final = RequestBody(LoraChoice, list_alone="adapters")


async def listing(request: web.Request) -> web.Response:
    """Lists the adapters' numbers, by which requests name them, the names of their files, their scales, and what the
    files say of themselves: of an aLoRA, from which words on it is active."""
    spec = await model_for(request, request.query.get("model"), "text")
    chosen = scales_in_force(request.app[LORA_SCALES], spec)
    scales = {one.path: one.scale for one in (spec.lora if chosen is None else chosen)}
    result = []
    for number, file in enumerate(spec.lora):
        scale = scales.get(file.path, 0.0)
        header = (await request.app[MODEL_FILES].facts(Path(file.path))).header
        uses = {name: "" if header is None else str(header.values.get(f"adapter.lora.{name}", "")) for name in USES}
        entry: dict[str, Any] = {"id": number, "path": _file_name(file.path), "scale": scale, **uses}
        if header is not None and (tokens := invocation_of(header)):
            words, _ = await perform(request, spec, Detokenization(tokens), wire.Text)
            entry["alora_invocation_string"] = "".join(part.text for part in words)
            entry["alora_invocation_tokens"] = tokens
        result.append(entry)
    return json_response(result)


async def choose(request: web.Request) -> web.Response:
    """Holds for this model's answers that name none themselves, until the server ends. llama-server's clients send the
    list of scales alone, and none of them names a model.
    """
    tree = await read_json(request)
    alone = isinstance(tree, list)
    body = LoraChoice(convert(tree, LoraScales, {})) if alone else convert(tree, LoraChoice, {})
    spec: ModelSpec = await model_for(request, body.model or request.query.get("model"), "text")
    chosen = chosen_lora(body.adapters, spec, "" if alone else "adapters")
    scales = {one.path: one.scale for one in chosen or ()}
    request.app[LORA_SCALES][spec.name] = tuple(Scaled(path, scales.get(path, 0.0)) for path, _ in spec.lora)
    answer: dict[str, Any] = {"success": True}
    return json_response(answer)


def _file_name(path: str) -> str:
    """Folders are nobody's business."""
    return path.replace("\\", "/").rpartition("/")[2]
