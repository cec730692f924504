"""Knows what a GGUF's `general.architecture` alone says of a model. Data; any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENCODER_DECODERS: Final = frozenset({"t5"})
"""These models compute a prompt in an encoder, whose result every step of a decoder looks at."""
DIFFUSION: Final = frozenset({"dream", "llada", "llada-moe", "rnd1"})
"""These models fill in a text in any order, and write none from left to right."""
SPEECH: Final = frozenset({"wavtokenizer-dec"})
"""These models make sound of tokens."""
ENCODERS: Final = frozenset(
    {"bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "llama-embed", "modern-bert", "neo-bert"}
    | {"nomic-bert", "nomic-bert-moe", "t5encoder"}
)
"""These models look at a text in both directions, also where the file has no `attention.causal` that says so."""
HYBRIDS: Final = frozenset({"falcon-h1", "granitehybrid", "jamba", "lfm2", "nemotron_h", "plamo2"})
"""Some of their layers keep a state, others all tokens. From b6845 on a library says so itself; these came before."""

WINDOW_PERIODS: Final[Mapping[str, int]] = {
    "cohere2": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "olmo2": 4,
    "smallthinker": 4,
}
"""One of so many layers in a row looks at the whole text and the others at a window of it, where the file has a sliding
window."""


def unserved(architecture: str) -> str | None:
    """Returns the kind of model that nothing here can be asked of: `encoder-decoder`, `diffusion`, `speech`; else
    None."""
    kinds = {"encoder-decoder": ENCODER_DECODERS, "diffusion": DIFFUSION, "speech": SPEECH}
    return next((kind for kind, names in kinds.items() if architecture in names), None)
