"""Knows what a loaded model can be asked for: text, embeddings, scores, or nothing here. Used in the engine thread."""

from __future__ import annotations

from typing import Final

from hoshikage.architectures import ENCODERS, unserved
from hoshikage.errors import ModelLoadFailed
from hoshikage.llama.model import Model

NONE, MEAN, CLS, LAST, RANK = range(5)
"""These are llama.h's llama_pooling_type."""
POOLINGS: Final = {"1": MEAN, "2": CLS, "3": LAST, "4": RANK}


def require_served(model: Model, path: str) -> None:
    """Raises ModelLoadFailed for a kind of model that llama_decode alone cannot compute, before it is called."""
    is_diffusion = model.library.api.llama_model_is_diffusion
    kind = unserved(model.architecture)
    if is_encoder(model) and _has_decoder(model):
        kind = "encoder-decoder"
    elif is_diffusion is not None and is_diffusion(model.pointer):
        kind = "diffusion"
    if kind is not None:
        raise ModelLoadFailed("model.kind_unserved", file=path, kind=kind, architecture=model.architecture)


def is_encoder(model: Model) -> bool:
    """Returns whether it is computed by llama_encode: old releases end the process where llama_decode is called for
    it."""
    api = model.library.api
    return (
        api.llama_encode is not None
        and api.llama_model_has_encoder is not None
        and bool(api.llama_model_has_encoder(model.pointer))
    )


def pooling_of(model: Model) -> int:
    """Returns how the model's vectors become one: as its GGUF says, else their mean."""
    return POOLINGS.get(model.own("pooling_type") or "", MEAN)


def looks_both_ways(model: Model) -> bool:
    """Returns whether a token's computation needs those behind it, so that a text must be computed in one piece."""
    return model.architecture in ENCODERS or model.own("attention.causal") == "false" or not _has_decoder(model)


def ranks(model: Model) -> bool:
    """Returns whether the model is made to score, and not to write or to embed."""
    return pooling_of(model) == RANK


def scores_are_shares(model: Model) -> bool:
    """Returns whether the library makes a share of 1 of the model's score: the chance of "yes" against "no"."""
    return model.architecture.startswith("qwen3")


def writes(model: Model) -> bool:
    """Returns whether the model can go on with a text."""
    return not looks_both_ways(model) and not ranks(model)


def purposes(model: Model) -> tuple[str, ...]:
    """Lists what can be asked of it: `text`, `embeddings`, `rerank`."""
    if ranks(model):
        return ("rerank",)
    return ("text", "embeddings") if writes(model) else ("embeddings",)


def _has_decoder(model: Model) -> bool:
    has_decoder = model.library.api.llama_model_has_decoder
    return has_decoder is None or bool(has_decoder(model.pointer))
