"""Says which GPUs take a model's weights, in what shares, and which tensors lie elsewhere. Engine thread.

What cannot be had is refused with the names of what there is; without a GPU, settings for several of them mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hoshikage._ffi.arrays import NO_DEVICES, Floats, TensorOverrides
from hoshikage._ffi.backends import buffer_types
from hoshikage._ffi.library import Library
from hoshikage.errors import ModelLoadFailed
from hoshikage.params import LoadParams

GPU_KINDS: Final = ("gpu", "igpu")
SPLIT_MODES: Final = {"none": 0, "layer": 1, "row": 2, "tensor": 3}
EXPERTS: Final = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"
"""The names of the tensors that hold a layer's experts have this in them, as llama.cpp's own tools know them."""
CPU: Final = "CPU"


@dataclass(frozen=True, slots=True)
class Placing:
    """These are fields of llama_model_params, some of which are addresses."""

    fields: Mapping[str, float] = field(default_factory=dict)
    kept: tuple[object, ...] = ()
    """The addresses lead to `kept`: it must live as long as the model."""
    overrides: bool = False
    """`overrides` tells whether tensors lie elsewhere than their layer: the file must be read then, not mapped."""


def placing(library: Library, params: LoadParams, n_gpu_layers: int) -> Placing:
    """Raises NotSupported for what the release lacks, and ModelLoadFailed for a GPU or buffer that is not there."""
    gpus = [device.name for device in library.devices() if device.kind in GPU_KINDS]
    fields: dict[str, float] = {}
    kept: list[object] = []
    if gpus and n_gpu_layers == 0:
        # Without layers a GPU would still hold a context and what it takes to compute large batches.
        fields |= {"devices": NO_DEVICES.address} if "devices" in library.fields else {}
    elif gpus:
        fields |= _shares(library, params, gpus, kept)
    if params.no_host:
        library.require("no_host")
        fields["no_host"] = 1
    pairs = _overrides(params, moves_experts=bool(gpus) and n_gpu_layers != 0)
    if pairs:
        library.require("tensor_placement")
        overrides = TensorOverrides(_buffers(library, pairs, with_gpus=n_gpu_layers != 0))
        fields["tensor_buft_overrides"] = overrides.address
        kept.append(overrides)
    return Placing(fields, tuple(kept), bool(pairs))


def _shares(library: Library, params: LoadParams, gpus: Sequence[str], kept: list[object]) -> dict[str, float]:
    """Returns the fields that say how the GPUs share the model."""
    fields: dict[str, float] = {}
    split = params.split_mode
    if params.main_gpu is not None:
        library.require("main_gpu")
        _require_gpus("MAIN_GPU", params.main_gpu, params.main_gpu + 1, gpus)
        fields["main_gpu"] = params.main_gpu
        if split == "auto" and not params.tensor_split:
            split = "none"  # with any other mode the number chooses next to nothing
    if split != "auto":
        library.require("split_tensor" if split == "tensor" else "main_gpu")
        fields["split_mode"] = SPLIT_MODES[split]
    if params.tensor_split:
        library.require("tensor_split")
        wanted = max(number for number, share in enumerate(params.tensor_split, 1) if share)
        _require_gpus("TENSOR_SPLIT", ",".join(f"{share:g}" for share in params.tensor_split), wanted, gpus)
        kept.append(floats := Floats(params.tensor_split))
        fields["tensor_split"] = floats.address
    return fields


def _require_gpus(name: str, value: int | str, wanted: int, gpus: Sequence[str]) -> None:
    if wanted > len(gpus):
        raise ModelLoadFailed("engine.no_such_gpu", name=name, value=value, devices=", ".join(gpus))


def _overrides(params: LoadParams, *, moves_experts: bool) -> list[tuple[str, str]]:
    pairs = list(params.override_tensor)
    if moves_experts and params.cpu_moe:
        pairs.append((EXPERTS, CPU))
    elif moves_experts and params.n_cpu_moe:
        layers = "|".join(map(str, range(params.n_cpu_moe)))
        pairs.append((rf"\bblk\.({layers}){EXPERTS}", CPU))
    return pairs


def _buffers(library: Library, pairs: Sequence[tuple[str, str]], *, with_gpus: bool) -> list[tuple[bytes, int]]:
    """The patterns with ggml's pointers to the buffers' types."""
    kinds = GPU_KINDS if not with_gpus else ()
    known = buffer_types(library.api, but=kinds)
    for _, name in pairs:
        if name not in known:
            raise ModelLoadFailed("engine.no_such_buffer", buffer=name, buffers=", ".join(known))
    return [(pattern.encode(), known[name]) for pattern, name in pairs]
