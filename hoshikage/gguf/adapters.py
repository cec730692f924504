"""Reads LoRA adapters and control vectors, as far as their files tell. Any thread; blocking."""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hoshikage.errors import GgufInvalid
from hoshikage.gguf.header import GgufHeader
from hoshikage.gguf.reader import read, read_tensors

INVOCATION: Final = "adapter.alora.invocation_tokens"
F32: Final = 0
"""The number is the type's ggml_type."""
MAX_VECTOR_BYTES: Final = 64 * 1024 * 1024
"""A control vector has a few thousand numbers a layer."""
VECTOR: Final = "controlvector"
"""The file of a control vector has this for its architecture."""
DIRECTION: Final = re.compile(r"direction\.(\d{1,4})")


def require_adapters(
    header: GgufHeader, lora: Iterable[tuple[str, float]], control_vectors: Iterable[tuple[str, float]]
) -> None:
    """Raises GgufInvalid for one that cannot be used with a model of this header. Paths and scales."""
    for path, _ in lora:
        require_lora(Path(path), header.architecture)
    for path, _ in control_vectors:
        require_control_vector(Path(path), header)


def require_lora(file: Path, architecture: str) -> tuple[int, ...]:
    """Returns the tokens from which on an aLoRA is active, none for an adapter that always is. Raises GgufInvalid for a
    file that is no LoRA adapter, or one of a model of another architecture.

    Whether its matrices fit the model's is the library's to say.
    """
    result = read(file)
    kind = str(result.values.get("adapter.type", "-"))
    if result.architecture == VECTOR:
        raise GgufInvalid("model.lora_kind", file=str(file), kind="control vector, --control-vector")
    if result.kind != "adapter" or kind != "lora":
        raise GgufInvalid("model.lora_kind", file=str(file), kind=result.kind if result.kind != "adapter" else kind)
    if result.architecture != architecture:
        raise GgufInvalid("model.lora_unlike", file=str(file), architecture=result.architecture, wanted=architecture)
    return invocation_of(result)


def invocation_of(header: GgufHeader) -> tuple[int, ...]:
    """Returns the tokens from which on an aLoRA is active; none for an adapter that always is."""
    return header.arrays.get(INVOCATION, ())


def require_control_vector(file: Path, header: GgufHeader) -> None:
    """Raises GgufInvalid for a file that is no control vector, or one of another width or of more layers."""
    vector = control_vector(file)
    architecture = header.architecture
    n_embd, n_layers = (header.values.get(f"{architecture}.{key}") for key in ("embedding_length", "block_count"))
    widths = {len(direction) for direction in vector.values()}
    if widths != {n_embd} or not isinstance(n_layers, int) or max(vector) >= n_layers:
        raise GgufInvalid(
            "model.vector_unlike", file=str(file), widths=", ".join(map(str, sorted(widths))), layers=max(vector),
            n_embd=n_embd or 0, n_layers=n_layers or 0,
        )  # fmt: skip


def control_vector(file: Path) -> dict[int, array[float]]:
    """Maps a layer, from 1 on, to the direction that is added to what comes out of it: F32, as wide as the model.

    Raises GgufInvalid for any other file.
    """
    header, tensors = read_tensors(file, MAX_VECTOR_BYTES)
    if header.kind == "adapter" and header.architecture != VECTOR:
        raise GgufInvalid("model.vector_kind", file=str(file), tensor="LoRA, --lora")
    result: dict[int, array[float]] = {}
    for name, (tensor, data) in tensors.items():
        match = DIRECTION.fullmatch(name)
        if match is None or int(match[1]) < 1 or tensor.kind != F32 or tensor.dimensions != 1:
            raise GgufInvalid("model.vector_kind", file=str(file), tensor=name)
        result[int(match[1])] = direction = array("f", data)
        if sys.byteorder == "big":
            direction.byteswap()
    if header.architecture != VECTOR or not result:
        raise GgufInvalid("model.vector_kind", file=str(file), tensor="-")
    if not all(math.isfinite(number) for direction in result.values() for number in direction):
        raise GgufInvalid("model.vector_kind", file=str(file), tensor="NaN")
    return result
