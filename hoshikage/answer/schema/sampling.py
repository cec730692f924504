"""The fields of a request that say how tokens are chosen, the same for every protocol. Any thread; pure.

A field of SamplingParams has its row here, under the name that OpenAI or llama-server gives it.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from hoshikage.errors import InvalidRequest
from hoshikage.params import SAMPLER_ORDER, SamplingParams
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings

ALIASES: Final = {"typ_p": "typical_p", "temp": "temperature"}
"""Other names of samplers, as llama-server knows them."""

CHOICES: Final = {"samplers[]": SAMPLER_ORDER, "mirostat": ("0", "1", "2")}
TOKEN_ID: Final = re.compile(r"\d{1,10}")
MAX_TOKENS: Final = 16_777_216

SamplerName = Literal[
    "penalties", "dry", "top_n_sigma", "top_k", "typical_p", "typ_p", "top_p", "min_p", "xtc", "temperature", "temp"
]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
LastTokens = Annotated[int, Meta(ge=-1, le=MAX_TOKENS)]
Breaker = Annotated[str, Meta(min_length=1, max_length=64)]
Bias = Annotated[float, Meta(ge=-100, le=100)]


class SamplingFields(Struct, frozen=True, kw_only=True):
    """None is absent."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    dynatemp_range: Annotated[float, Meta(ge=0, le=2)] | None = None
    dynatemp_exponent: Annotated[float, Meta(ge=0, le=10)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    min_p: Share | None = None
    typical_p: Share | None = None
    top_n_sigma: Annotated[float, Meta(ge=-1, le=100)] | None = None
    xtc_probability: Share | None = None
    xtc_threshold: Share | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    repeat_last_n: LastTokens | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    dry_multiplier: Annotated[float, Meta(ge=0, le=100)] | None = None
    dry_base: Annotated[float, Meta(ge=0, le=100)] | None = None
    dry_allowed_length: Annotated[int, Meta(ge=0, le=65_536)] | None = None
    dry_penalty_last_n: LastTokens | None = None
    dry_sequence_breakers: Annotated[list[Breaker], Meta(max_length=32)] | None = None
    mirostat: Literal[0, 1, 2] | None = None
    mirostat_tau: Annotated[float, Meta(ge=0, le=100)] | None = None
    mirostat_eta: Share | None = None
    samplers: Annotated[list[SamplerName], Meta(max_length=len(SAMPLER_ORDER))] | None = None
    logit_bias: Annotated[dict[str, Bias], Meta(max_length=1024)] | None = None
    ignore_eos: bool | None = None
    seed: int | None = None


def sampling_params(body: SamplingFields, spec: ModelSpec, settings: Settings) -> SamplingParams:
    """The request's values over the persona's, the model's and the settings'. Raises InvalidRequest."""
    defaults = replace(SamplingParams(temperature=settings.temperature, top_p=settings.top_p), **spec.sampling.given())
    asked: dict[str, Any] = {row.name: getattr(body, row.name) for row in fields(SamplingParams)}
    if body.seed is not None:
        asked["seed"] = body.seed & 0xFFFFFFFF  # -1 becomes RANDOM_SEED, as elsewhere in llama.cpp
    if body.samplers is not None:
        asked["samplers"] = _order(body.samplers)
    if body.logit_bias is not None:
        asked["logit_bias"] = tuple(_bias(token, bias) for token, bias in body.logit_bias.items())
    if body.dry_sequence_breakers is not None:
        asked["dry_sequence_breakers"] = tuple(body.dry_sequence_breakers)
    return replace(defaults, **{name: value for name, value in asked.items() if value is not None})


def _order(names: list[SamplerName]) -> tuple[str, ...]:
    order = tuple(ALIASES.get(name, name) for name in names)
    for index, name in enumerate(order):
        if name in order[:index]:
            place = f"samplers[{index}]"
            raise InvalidRequest("http.sampler_twice", param=place, place=place, name=name)
    return order


def _bias(token: str, bias: float) -> tuple[int, float]:
    """The id is held against the vocabulary in the engine, which has one."""
    if not TOKEN_ID.fullmatch(token):
        raise InvalidRequest("http.bias_token", param="logit_bias", token=token[:60])
    return int(token), bias
