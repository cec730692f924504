"""Defines the fields of a request that say how tokens are chosen, the same for every protocol. Any thread; pure.

A field of SamplingParams has its row here, under the name that OpenAI or llama-server gives it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from hoshikage.errors import InvalidRequest
from hoshikage.http import ignored
from hoshikage.params import FORBIDDEN, SAMPLERS, SamplingParams
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings

ALIASES: Final = {"typ_p": "typical_p", "typical": "typical_p", "nucleus": "top_p", "temp": "temperature"}
"""Maps other names of samplers, as llama-server knows them, to ours."""

LAST: Final = "adaptive_p"
"""This sampler draws the token, so that it stands last in every order; `adaptive_target` says whether it is on."""
LETTERS: Final = {
    "e": "penalties", "d": "dry", "s": "top_n_sigma", "k": "top_k", "y": "typical_p", "p": "top_p", "m": "min_p",
    "x": "xtc", "t": "temperature", "i": "infill", "a": LAST,
}  # fmt: skip
"""Maps the letters that llama-server knows samplers by to their names."""
CHOICES: Final = {"mirostat": ("0", "1", "2")}
TOKEN_ID: Final = re.compile(r"\d{1,10}")
MAX_TOKENS: Final = 16_777_216
MIN_PENALTY: Final = 0.01
"""Smaller ones leave the range of a float where a logit is divided by them; 0 is off."""

Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
LastTokens = Annotated[int, Meta(ge=-1, le=MAX_TOKENS)]
Breaker = Annotated[str, Meta(min_length=1, max_length=64)]
Bias = bool | Annotated[float, Meta(ge=-1e6, le=1e6)]
"""A number is added to a logit; false forbids the token, as -100 and below do."""
BiasPair = Annotated[list[int | str | float | bool], Meta(min_length=2, max_length=2)]
Biases = Annotated[dict[str, Bias], Meta(max_length=1024)] | Annotated[list[BiasPair], Meta(max_length=1024)]
SamplerText = Annotated[str, Meta(max_length=256)]


class SamplingFields(Struct, frozen=True, kw_only=True):
    """A field that is absent is None."""

    temperature: Annotated[float, Meta(ge=-100, le=100)] | None = None
    dynatemp_range: Annotated[float, Meta(ge=0, le=100)] | None = None
    dynatemp_exponent: Annotated[float, Meta(ge=0, le=10)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    min_p: Share | None = None
    typical_p: Share | None = None
    min_keep: Annotated[int, Meta(ge=0, le=MAX_TOKENS)] | None = None
    top_n_sigma: Annotated[float, Meta(ge=-1, le=100)] | None = None
    xtc_probability: Share | None = None
    xtc_threshold: Share | None = None
    repeat_penalty: Annotated[float, Meta(ge=0, le=10)] | None = None
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
    adaptive_target: Annotated[float, Meta(ge=-1, le=1)] | None = None
    adaptive_decay: Annotated[float, Meta(ge=0, le=0.99)] | None = None
    samplers: SamplerText | Annotated[list[SamplerText], Meta(max_length=32)] | None = None
    logit_bias: Biases | None = None
    ignore_eos: bool | None = None
    seed: int | None = None


def sampling_params(body: SamplingFields, spec: ModelSpec, settings: Settings) -> SamplingParams:
    """Lays the request's values over the persona's, the model's and the settings'. Raises InvalidRequest."""
    defaults = replace(
        SamplingParams(temperature=settings.temperature, top_p=settings.top_p), **spec.sampling.sampling()
    )
    values: dict[str, Any] = {name: getattr(body, name) for name in SamplingParams.__struct_fields__}
    if body.seed is not None:
        values["seed"] = body.seed & 0xFFFFFFFF  # -1 becomes RANDOM_SEED, as elsewhere in llama.cpp
    if body.temperature is not None:
        values["temperature"] = max(0.0, body.temperature)  # what is not above 0 takes the likeliest
    if body.top_k is not None:
        values["top_k"] = max(0, body.top_k)
    if body.repeat_penalty == 0:
        values["repeat_penalty"] = 1.0  # off
    elif body.repeat_penalty is not None and body.repeat_penalty < MIN_PENALTY:
        relation = f"= 0 | ≥ {MIN_PENALTY:g}"
        raise InvalidRequest("http.out_of_bounds", param="repeat_penalty", place="repeat_penalty", relation=relation)
    if body.samplers is not None:
        values["samplers"] = _order(body.samplers)
    if body.logit_bias is not None:
        values["logit_bias"] = _biases(body.logit_bias)
    if body.dry_sequence_breakers is not None:
        values["dry_sequence_breakers"] = tuple(body.dry_sequence_breakers)
    return replace(defaults, **{name: value for name, value in values.items() if value is not None})


def _order(samplers: str | list[str]) -> tuple[str, ...]:
    """Reads samplers by name, or by letters in one text; each counts once, and those that are not known are left
    out."""
    if isinstance(samplers, list):
        names = [name.strip().lower().replace("-", "_") for name in samplers]
    elif re.search("[;, _-]", samplers):
        names = re.split("[;, ]+", samplers.strip().lower().replace("-", "_"))
    else:
        names = [LETTERS.get(letter, letter) for letter in samplers]
    order: dict[str, None] = {}
    for name in names:
        known = ALIASES.get(name, name)
        if known in SAMPLERS:
            order[known] = None
        elif known != LAST:
            ignored.note(f"samplers: {name}")
    return tuple(order)


def _biases(biases: Biases) -> tuple[tuple[int | str, float], ...]:
    """Returns the biases by token ids or by text, from an object or from pairs. Raises InvalidRequest.

    Ids and texts are held against the vocabulary in the engine, which has one.
    """
    if isinstance(biases, dict):
        return tuple((int(name) if TOKEN_ID.fullmatch(name) else name, _bias(bias)) for name, bias in biases.items())
    result: list[tuple[int | str, float]] = []
    for index, (token, bias) in enumerate(biases):
        place = f"logit_bias[{index}]"
        if isinstance(token, bool | float) or isinstance(bias, str):
            raise InvalidRequest("http.bias_pair", param=place, place=place)
        result.append((token, _bias(bias)))
    return tuple(result)


def _bias(bias: float | bool) -> float:
    return FORBIDDEN if bias is False else max(FORBIDDEN, float(bias))
