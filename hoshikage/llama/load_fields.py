"""Chooses the fields of the parameter structs that a load's settings are, for the release at hand. Pure; engine thread.

What a release cannot do is refused by name (NotSupported); what it does by itself is left to its own defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hoshikage import gguf
from hoshikage._ffi.library import Library
from hoshikage.errors import ModelLoadFailed
from hoshikage.llama.placing import GPU_KINDS
from hoshikage.params import LoadParams

ALL_LAYERS: Final = 999
"""Up to about b7617 a negative n_gpu_layers is none; a number above the model's layers is all, everywhere."""
GGML_TYPES: Final = {"f16": 1, "q4_0": 2, "q8_0": 8}
LOAD_MODES: Final = {(False, False): 0, (True, False): 1, (False, True): 2, (True, True): 3}
"""Maps (mmap, mlock) to llama_load_mode: NONE, MMAP, MLOCK, MMAP_MLOCK."""
ROPE_SCALING: Final = {"none": 0, "linear": 1, "yarn": 2}
"""These are the numbers of llama.h's llama_rope_scaling_type."""
FLASH_ATTN: Final = {"off": 0, "on": 1}


def model_fields(library: Library, params: LoadParams, n_gpu_layers: int) -> dict[str, float]:
    """Returns the fields of llama_model_params, but for those of `placing`. `n_gpu_layers` below 0 is all."""
    known = library.fields
    result: dict[str, float] = {}
    if "n_gpu_layers" in known:
        result["n_gpu_layers"] = ALL_LAYERS if n_gpu_layers < 0 else n_gpu_layers
    elif n_gpu_layers >= 0 and sees_gpu(library):
        library.require("gpu_layers")  # calibrated without a GPU: the release's own default is all of them
    if not params.repack:
        library.require("repack")
        result["use_extra_bufts"] = 0
    if (params.use_mmap, params.use_mlock) != (True, False):
        result |= _load_mode(library, params)
    return result


def context_fields(library: Library, params: LoadParams) -> dict[str, float]:
    """Returns the fields of llama_context_params for attention, positions and the KV memory."""
    known = library.fields
    result: dict[str, float] = {}
    if (params.type_k, params.type_v) != ("f16", "f16"):
        library.require("kv_types")
        result |= {"type_k": GGML_TYPES[params.type_k], "type_v": GGML_TYPES[params.type_v]}
    if not params.kv_offload:
        result["offload_kqv"] = 0
    if params.rope_scaling == "auto" and params.rope_scale != 1:
        raise ModelLoadFailed("engine.rope_scale_alone")
    if params.rope_scaling != "auto":
        library.require("rope_scaling")
        result["rope_scaling_type"] = ROPE_SCALING[params.rope_scaling]
        if params.rope_scaling != "none":
            result["rope_freq_scale"] = 1.0 / params.rope_scale
    wanted = params.flash_attn
    if params.type_v != "f16":  # a V of blocks is read by flash attention alone
        if wanted == "off":
            raise ModelLoadFailed("engine.kv_needs_flash_attn", type=params.type_v)
        if "flash_attn_type" not in known:
            wanted = "on"
    if wanted != "auto":
        library.require("flash_attn")
        result["flash_attn_type" if "flash_attn_type" in known else "flash_attn"] = FLASH_ATTN[wanted]
    return result


def several_fields(library: Library, params: LoadParams, n_outputs: int) -> dict[str, int]:
    """Returns the fields of llama_context_params for several sequences, and for `n_outputs` logits of one where it
    guesses ahead.

    One KV memory for all sequences lets a long one use what the others leave, and costs a shared beginning once; up to
    b5640 there is no other. Room for the logits of as many tokens as can be asked for is room saved: the library would
    else keep it for every token of a batch, 300 MB with a large vocabulary.
    """
    known = library.fields
    result = {"kv_unified": 1} if params.n_parallel > 1 and "kv_unified" in known else {}
    guesses = params.speculation != "off" or bool(params.draft_path)
    if guesses and "n_outputs_max_per_seq" in known:
        result["n_outputs_max_per_seq"] = n_outputs
    if "n_outputs_max" in known:
        result["n_outputs_max"] = params.n_parallel * (n_outputs if guesses else 1)
    return result


def window_fields(library: Library, *, whole: bool) -> dict[str, int]:
    """Returns the fields of llama_context_params for models that look at a window of the text: whether the memory keeps
    what has left it, which takes five times as much where most layers have one."""
    return {} if "swa_full" in library.lacks else {"swa_full": int(whole)}


def keeps_windows(library: Library, params: LoadParams) -> bool:
    """Returns whether a model's windows shall keep the whole text: so that a prompt can go on from any place of an
    earlier one, where it cannot go on from copies of what the windows hold. Guesses are taken back within what is kept
    beside a window."""
    if params.kv_reuse != "prefix" or "state_flags" in library.lacks:
        return params.kv_reuse == "prefix"
    if params.whole_windows is not None:
        return params.whole_windows
    return gguf.keeps_windows(gguf.read(Path(params.model_path)), gguf.KvSettings.of(params))


def sees_gpu(library: Library) -> bool:
    return any(device.kind in GPU_KINDS for device in library.devices())


def free_vram(library: Library) -> int:
    """Returns the bytes that the GPUs have left. Asking takes some of a GPU's memory, as backends.devices says."""
    return sum(device.memory_free for device in library.devices(memory=True) if device.kind in GPU_KINDS)


def least_free_vram(library: Library) -> int:
    """Returns the free bytes, as `free_vram` does, of the GPU that has the least left."""
    return min(device.memory_free for device in library.devices(memory=True) if device.kind in GPU_KINDS)


def _load_mode(library: Library, params: LoadParams) -> dict[str, float]:
    known = library.fields
    if "load_mode" in known:
        return {"load_mode": LOAD_MODES[params.use_mmap, params.use_mlock]}
    library.require("mmap")
    if params.use_mlock:
        library.require("mlock")
    direct = {"use_direct_io": 0} if "use_direct_io" in known else {}  # it outranks use_mmap
    lock = {"use_mlock": int(params.use_mlock)} if "use_mlock" in known else {}
    return {"use_mmap": int(params.use_mmap), **direct, **lock}
