"""Knows what a model can be asked for, as far as its header tells. Pure; any thread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hoshikage.architectures import ENCODERS, unserved
from hoshikage.errors import GgufInvalid
from hoshikage.gguf.header import GgufHeader

RANK: Final = 4
"""This is llama.h's llama_pooling_type of rerankers."""


def require_served(file: Path, header: GgufHeader) -> None:
    """Raises GgufInvalid for a kind of model that ends the library's own process, or that would answer nonsense."""
    kind = unserved(header.architecture)
    if kind is not None:
        raise GgufInvalid("model.kind_unserved", file=str(file), kind=kind, architecture=header.architecture)


def purpose(header: GgufHeader) -> str:
    """Returns what the model was made for: `text`, `embeddings` or `rerank`."""
    name = header.architecture
    if header.values.get(f"{name}.pooling_type") == RANK:
        return "rerank"
    if name in ENCODERS or header.values.get(f"{name}.attention.causal") is False:
        return "embeddings"
    return "text"
