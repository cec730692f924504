"""Knows what a release may lack, and how that is seen: by its exported functions and its layouts' fields. Pure; any
thread.

A feature is there where one of its alternatives is: every function of it exported, every field of it in a layout.
What every release from b3889 on has (decoding, the KV memory's sequences, temperature, top-k, penalties) has no row.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Final

FEATURES: Final[Mapping[str, str]] = {
    # loading
    "mmap": "use_mmap | load_mode",
    "mlock": "use_mlock | load_mode",
    "direct_io": "use_direct_io | load_mode",
    "gpu_layers": "n_gpu_layers",
    "main_gpu": "main_gpu & split_mode",
    # b4529 to b4980 with a new field would look like b4234, and nothing but several GPUs shows where this one stands.
    "tensor_split": "tensor_split & tensor_buft_overrides",
    "tensor_placement": "tensor_buft_overrides",
    "no_host": "no_host",
    "repack": "use_extra_bufts",
    "split_tensor": "n_rs_seq",  # a value that came a little before this field
    "lora": "llama_set_adapters_lora | llama_set_adapter_lora | llama_lora_adapter_set",
    "control_vector": "llama_set_adapter_cvec | llama_apply_adapter_cvec | llama_control_vector_apply",
    # context
    "kv_types": "type_k & type_v",
    "flash_attn": "flash_attn_type | flash_attn",
    "flash_attn_auto": "flash_attn_type",
    "kv_unified": "kv_unified",
    "swa_full": "swa_full & kv_unified",  # b5590 cannot be told from a B117 with a new bool
    "rope_scaling": "rope_scaling_type & rope_freq_scale",
    "embeddings": "embeddings & pooling_type & llama_get_embeddings_seq",
    "safe_abort": "op_offload | llama_memory_clear",  # up to b4980 an abort may hang: Library.abort_is_safe
    # state
    "sequence_state": "llama_state_seq_get_data & llama_state_seq_set_data",
    "state_flags": "llama_state_seq_get_data_ext",
    # sampling
    "typical_p": "llama_sampler_init_typical",
    "mirostat": "llama_sampler_init_mirostat_v2",
    "grammar": "llama_sampler_init_grammar",
    "logit_bias": "llama_sampler_init_logit_bias",
    "xtc": "llama_sampler_init_xtc",
    "dry": "llama_sampler_init_dry",
    "lazy_grammar": "llama_sampler_init_grammar_lazy_patterns",
    "top_n_sigma": "llama_sampler_init_top_n_sigma",
    "adaptive_p": "llama_sampler_init_adaptive_p",
    # what the machine has
    "device_list": "ggml_backend_dev_count & ggml_backend_dev_get",
}
"""Maps a feature to alternatives (|) of functions (llama_*, ggml_*) and fields that must all be there (&)."""

FIRST: Final[Mapping[str, str]] = {
    "direct_io": "b7698",
    "tensor_split": "b5590",
    "tensor_placement": "b5590",
    "no_host": "b6845",
    "repack": "b6122",
    "split_tensor": "b9842",
    "flash_attn_auto": "b6431",
    "kv_unified": "b6122",
    "swa_full": "b6122",
    "safe_abort": "b5590",
    "state_flags": "b6301",
    "xtc": "b3995",
    "dry": "b3995",
    "dry_breakers": "b5590",  # those that are not ASCII
    "lazy_grammar": "b4980",
    "top_n_sigma": "b4753",
    "adaptive_p": "b7836",
}
"""Maps a feature to the first tested release that has it. What is not here every tested release has."""
OLDEST: Final = "b3889"
"""The first of the tested releases."""

KV_APIS: Final = ("llama_memory", "llama_kv_self", "llama_kv_cache")
"""There are three ways to work with the KV memory, newest first."""


def lacking(exports: Callable[[str], bool], fields: Container[str]) -> tuple[str, ...]:
    """Lists the features that are not there, in the table's order."""

    def is_there(name: str) -> bool:
        return exports(name) if name.startswith(("llama_", "ggml_")) else name in fields

    return tuple(
        feature
        for feature, alternatives in FEATURES.items()
        if not any(all(is_there(name.strip()) for name in each.split("&")) for each in alternatives.split("|"))
    )


def first_with(feature: str) -> str:
    """Returns the first tested release that has a feature."""
    return FIRST.get(feature, OLDEST)


def kv_api(exports: Callable[[str], bool]) -> str:
    """Returns which of KV_APIS a library is used by; every library that binds has one."""
    return next(api for api in KV_APIS if exports(f"{api}_clear"))
