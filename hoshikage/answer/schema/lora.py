"""Defines the field `lora` of a request: how much of each of the model's LoRA adapters it wants. Pure; any thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from hoshikage.errors import InvalidRequest
from hoshikage.params import Scaled
from hoshikage.registry import ModelSpec


class LoraScale(Struct, frozen=True):
    """This is one adapter, by its number among the model's, with its scale."""

    id: Annotated[int, Meta(ge=0, le=1023)]
    scale: Annotated[float, Meta(ge=-100, le=100)] = 0.0
    """`scale` is 0 where it is left out, as llama-server has it."""


LoraScales = Annotated[list[LoraScale], Meta(max_length=64)]


def scales_in_force(chosen: dict[str, tuple[Scaled, ...]], spec: ModelSpec) -> tuple[Scaled, ...] | None:
    """Returns what was chosen of all the model's adapters while the server runs; None where nothing was, or it has
    others by now."""
    scales = chosen.get(spec.name)
    if scales is None or [one.path for one in scales] != [one.path for one in spec.lora]:
        return None
    return scales


def chosen_lora(wanted: Sequence[LoraScale] | None, spec: ModelSpec, field: str = "lora") -> tuple[Scaled, ...] | None:
    """Returns the adapters with their scales, those that are not named left out; None where the request does not say.

    Of a number that is there twice the last scale counts, as in llama-server. Raises InvalidRequest for a number that
    the model has not; `field` is what the body calls the list, empty where the body is the list.
    """
    if wanted is None:
        return None
    files = spec.lora
    scales: dict[int, float] = {}
    for index, one in enumerate(wanted):
        if one.id >= len(files):
            place = f"{field}[{index}].id"
            raise InvalidRequest("http.lora_unknown", param=place, place=place, id=one.id, count=len(files))
        scales[one.id] = one.scale
    return tuple(Scaled(file.path, scales[number]) for number, file in enumerate(files) if scales.get(number))
