"""Serves GET and POST /lora-adapters: a model's LoRA adapters, and how much of each its answers have. Event loop
thread."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from hoshikage.answer.choice import model_for
from hoshikage.answer.schema.lora import LoraScales, chosen_lora, scales_in_force
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.validation import convert
from hoshikage.http.json_body import read_json
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import LORA_SCALES
from hoshikage.params import Scaled
from hoshikage.registry import ModelSpec


class LoraChoice(Struct, frozen=True):
    """These are the scales of a model's adapters; one that is not named has 0."""

    adapters: LoraScales
    model: str | None = None


CHOICE: Final = RequestBody(LoraChoice, list_alone="adapters")


async def listing(request: web.Request) -> web.Response:
    """Lists the adapters' numbers, by which requests name them, the names of their files, and their scales."""
    spec = await model_for(request, request.query.get("model"), "text")
    chosen = scales_in_force(request.app[LORA_SCALES], spec)
    scales = {one.path: one.scale for one in (spec.lora if chosen is None else chosen)}
    return json_response(
        [
            {"id": number, "path": _file_name(file.path), "scale": scales.get(file.path, 0.0)}
            for number, file in enumerate(spec.lora)
        ]
    )


async def choose(request: web.Request) -> web.Response:
    """Holds for this model's answers that name none themselves, until the server ends. llama-server's clients send the
    list of scales alone, and none of them names a model.
    """
    tree = await read_json(request)
    body = convert({"adapters": tree} if isinstance(tree, list) else tree, LoraChoice, {})
    spec: ModelSpec = await model_for(request, body.model or request.query.get("model"), "text")
    scales = {one.path: one.scale for one in chosen_lora(body.adapters, spec) or ()}
    request.app[LORA_SCALES][spec.name] = tuple(Scaled(path, scales.get(path, 0.0)) for path, _ in spec.lora)
    answer: dict[str, Any] = {"success": True}
    return json_response(answer)


def _file_name(path: str) -> str:
    """Folders are nobody's business."""
    return path.replace("\\", "/").rpartition("/")[2]
