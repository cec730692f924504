"""Writes LoRA adapters and control vectors for `tiny_decoders.write_decoder`, and models that have them in their
weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.engine_models import closed
from tests.tiny_decoders import N_HEADS, N_LAYERS, write_decoder

HEAD: Final = 32
WIDTH: Final = HEAD * N_HEADS
RANK: Final = 4
ALPHA: Final = 8.0
SHAPES: Final = {"attn_q": (WIDTH, WIDTH), "ffn_down": (WIDTH, 2 * WIDTH)}
"""These are adapted: rows and columns."""


def matrices(seed: int) -> dict[str, tuple[Any, Any]]:
    """Maps the name of a weight to A (rank, columns) and B (rows, rank)."""
    random = np.random.default_rng(seed)
    return {
        f"blk.{layer}.{part}.weight": (
            random.normal(0, 0.4, (RANK, columns)).astype(np.float32),
            random.normal(0, 0.4, (rows, RANK)).astype(np.float32),
        )
        for layer in range(N_LAYERS)
        for part, (rows, columns) in SHAPES.items()
    }


def write_lora(
    file: Path, seed: int, architecture: str = "llama", columns: int = 0, invocation: tuple[int, ...] = ()
) -> Path:
    """Writes an adapter with `columns` more than the model has, for one that does not fit; an aLoRA has an
    `invocation`."""
    writer: Any = gguf.GGUFWriter(file, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    if invocation:
        key, kinds = "adapter.alora.invocation_tokens", gguf.GGUFValueType
        writer.add_key_value(key, [*invocation], kinds.ARRAY, sub_type=kinds.UINT32)
    for name, (a, b) in matrices(seed).items():
        writer.add_tensor(f"{name}.lora_a", np.pad(a, ((0, 0), (0, columns))))
        writer.add_tensor(f"{name}.lora_b", b)
    return closed(writer, file)


def direction(seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 1.0, WIDTH).astype(np.float32)


def write_control_vector(file: Path, seed: int, width: int = WIDTH, layer: int = 1) -> Path:
    writer: Any = gguf.GGUFWriter(file, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", N_LAYERS - 1)
    writer.add_tensor(f"direction.{layer}", np.resize(direction(seed), width))
    return closed(writer, file)


def write_merged(file: Path, lora: Mapping[int, float], vectors: Mapping[int, float]) -> Path:
    """Writes the model whose weights have the adapters of these seeds, each with its scale; a control vector is a
    bias."""

    def merged(name: str, values: Any) -> Any:
        for seed, scale in lora.items():
            if name in (found := matrices(seed)):
                a, b = found[name]
                values = values + np.float32(scale * ALPHA / RANK) * (b @ a)
        return values.astype(np.float32)

    total = sum((np.float32(scale) * direction(seed) for seed, scale in vectors.items()), np.zeros(WIDTH, np.float32))
    return write_decoder(file, head=HEAD, merged=merged, biases={"blk.1.ffn_down.bias": total})
