"""Lists the functions of llama.h and ggml that Hoshikage calls, one row each, in the headers' order. Data; any thread.

A row says the name of today, result, arguments, and the names that the same call had in older releases. A needed row
must be found under one of its names; an optional one is None on `Library.api` where it is missing. The first argument
of the vocabulary's functions is a llama_vocab; up to b4435 it was the llama_model (`Library.vocab_of` knows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from hoshikage._ffi.types import (
    Image,
    LogCallback,
    Param,
    c_bool,
    c_char_p,
    c_float,
    c_int8,
    c_int32,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
    llama_batch,
)

Model = Context = Vocab = Memory = Adapter = Sampler = Pool = Reg = Device = Buffers = Array = c_void_p
"""These names stand for opaque pointers and for pointers to arrays, so that a row reads as its C declaration."""


FIM: Final = ("pre", "suf", "mid", "rep", "sep")
"""These are the fill-in-the-middle tokens: before the prefix, the suffix and the answer; before a repository and a
file."""

SEQ_RM: Final = ("llama_kv_self_seq_rm", "llama_kv_cache_seq_rm")
SEQ_CP: Final = ("llama_kv_self_seq_cp", "llama_kv_cache_seq_cp")

CVEC: Final = ("llama_apply_adapter_cvec", "llama_control_vector_apply")


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    result: Param
    arguments: tuple[Param, ...] = ()
    older: tuple[str, ...] = ()
    """Names in older releases, newest first."""
    needed: bool = True


def optional(name: str, result: Param, *arguments: Param, older: tuple[str, ...] = ()) -> Function:
    return Function(name, result, arguments, older, needed=False)


def needed(name: str, result: Param, *arguments: Param, older: tuple[str, ...] = ()) -> Function:
    return Function(name, result, arguments, older)


def bound(find: Callable[[str], Any], rows: Iterable[Function]) -> tuple[SimpleNamespace, list[str]]:
    """Binds the functions of these rows, with their types, by today's names; and the needed ones that `find` has
    not."""
    api = SimpleNamespace()
    missing: list[str] = []
    for row in rows:
        function = next(filter(None, map(find, (row.name, *row.older))), None)
        if function is not None:
            function.restype, function.argtypes = row.result, row.arguments
        elif row.needed:
            missing.append(row.name)
        setattr(api, row.name, function)
    return api, missing


LLAMA: Final = (
    # Helpers for getting default parameters. Called through images.default_image: their result is a struct by value.
    needed("llama_model_default_params", None),
    needed("llama_context_default_params", None),
    # Initialize and finish
    needed("llama_backend_init", None),
    needed("llama_backend_free", None),
    optional("llama_attach_threadpool", None, Context, Pool, Pool),
    optional("llama_detach_threadpool", None, Context),
    # Model and context
    needed("llama_model_load_from_file", Model, c_char_p, Image, older=("llama_load_model_from_file",)),
    needed("llama_model_free", None, Model, older=("llama_free_model",)),
    needed("llama_init_from_model", Context, Model, Image, older=("llama_new_context_with_model",)),
    needed("llama_free", None, Context),
    needed("llama_n_ctx", c_uint32, Context),
    needed("llama_n_batch", c_uint32, Context),
    needed("llama_n_ubatch", c_uint32, Context),
    needed("llama_n_seq_max", c_uint32, Context),
    optional("llama_get_memory", Memory, Context),
    needed("llama_pooling_type", c_int32, Context),
    optional("llama_model_get_vocab", Vocab, Model),
    needed("llama_model_n_ctx_train", c_int32, Model, older=("llama_n_ctx_train",)),
    needed("llama_model_n_embd", c_int32, Model, older=("llama_n_embd",)),
    optional("llama_model_n_embd_out", c_int32, Model),
    optional("llama_model_n_swa", c_int32, Model),
    optional("llama_model_is_recurrent", c_bool, Model),
    optional("llama_model_is_hybrid", c_bool, Model),
    optional("llama_model_has_encoder", c_bool, Model),
    optional("llama_model_has_decoder", c_bool, Model),
    optional("llama_model_is_diffusion", c_bool, Model),
    needed("llama_model_meta_val_str", c_int32, Model, c_char_p, Array, c_size_t),
    needed("llama_model_desc", c_int32, Model, Array, c_size_t),
    needed("llama_model_size", c_uint64, Model),
    needed("llama_model_n_params", c_uint64, Model),
    # Adapters. An adapter is freed with its model.
    optional("llama_adapter_lora_init", Adapter, Model, c_char_p, older=("llama_lora_adapter_init",)),
    optional("llama_set_adapters_lora", c_int32, Context, Array, c_size_t, Array),
    optional("llama_set_adapter_lora", c_int32, Context, Adapter, c_float, older=("llama_lora_adapter_set",)),
    optional("llama_clear_adapter_lora", None, Context, older=("llama_lora_adapter_clear",)),
    optional("llama_set_adapter_cvec", c_int32, Context, Array, c_size_t, c_int32, c_int32, c_int32, older=CVEC),
    # Memory; one of the three ways to empty it must be there (ONE_OF)
    optional("llama_memory_clear", None, Memory, c_bool),
    optional("llama_kv_self_clear", None, Context),
    optional("llama_kv_cache_clear", None, Context),
    # One sequence's part of it. The older names take the context in the memory's place.
    optional("llama_memory_seq_rm", c_bool, Memory, c_int32, c_int32, c_int32, older=SEQ_RM),
    optional("llama_memory_seq_cp", None, Memory, c_int32, c_int32, c_int32, c_int32, older=SEQ_CP),
    optional("llama_memory_seq_pos_min", c_int32, Memory, c_int32, older=("llama_kv_self_seq_pos_min",)),
    optional("llama_memory_seq_pos_max", c_int32, Memory, c_int32, older=("llama_kv_self_seq_pos_max",)),
    # The state of one sequence. The last argument of those with one more is a set of flags: PARTIAL_ONLY is 1.
    optional("llama_state_seq_get_size", c_size_t, Context, c_int32),
    optional("llama_state_seq_get_data", c_size_t, Context, Array, c_size_t, c_int32),
    optional("llama_state_seq_set_data", c_size_t, Context, Array, c_size_t, c_int32),
    optional("llama_state_seq_get_size_ext", c_size_t, Context, c_int32, c_uint32),
    optional("llama_state_seq_get_data_ext", c_size_t, Context, Array, c_size_t, c_int32, c_uint32),
    optional("llama_state_seq_set_data_ext", c_size_t, Context, Array, c_size_t, c_int32, c_uint32),
    # Decoding
    optional("llama_encode", c_int32, Context, llama_batch),
    needed("llama_decode", c_int32, Context, llama_batch),
    optional("llama_synchronize", None, Context),
    needed("llama_n_threads", c_int32, Context),
    needed("llama_n_threads_batch", c_int32, Context),
    needed("llama_get_logits_ith", Array, Context, c_int32),
    optional("llama_get_embeddings_ith", Array, Context, c_int32),
    optional("llama_get_embeddings_seq", Array, Context, c_int32),
    # Vocab
    needed("llama_vocab_get_text", c_char_p, Vocab, c_int32, older=("llama_token_get_text",)),
    needed("llama_vocab_get_attr", c_int32, Vocab, c_int32, older=("llama_token_get_attr",)),
    needed("llama_vocab_is_eog", c_bool, Vocab, c_int32, older=("llama_token_is_eog",)),
    needed("llama_vocab_bos", c_int32, Vocab, older=("llama_token_bos",)),
    needed("llama_vocab_eos", c_int32, Vocab, older=("llama_token_eos",)),
    optional("llama_vocab_sep", c_int32, Vocab, older=("llama_token_sep",)),
    # Result c_int8: up to b3995 it was an int32 of -1 (unknown), 0 or 1, since then a bool.
    needed("llama_vocab_get_add_bos", c_int8, Vocab, older=("llama_add_bos_token",)),
    *(optional(f"llama_vocab_fim_{part}", c_int32, Vocab, older=(f"llama_token_fim_{part}",)) for part in FIM),
    needed("llama_vocab_n_tokens", c_int32, Vocab, older=("llama_n_vocab",)),
    # Tokenization
    needed("llama_tokenize", c_int32, Vocab, c_char_p, c_int32, Array, c_int32, c_bool, c_bool),
    needed("llama_token_to_piece", c_int32, Vocab, c_int32, Array, c_int32, c_int32, c_bool),
    # Sampling. llama_sampler_chain_params is one bool and travels in a register.
    needed("llama_sampler_name", c_char_p, Sampler),
    needed("llama_sampler_accept", None, Sampler, c_int32),
    needed("llama_sampler_apply", None, Sampler, Array),
    needed("llama_sampler_free", None, Sampler),
    optional("llama_sampler_copy", None),  # never called; its presence dates llama_sampler_init_penalties
    needed("llama_sampler_chain_init", Sampler, c_bool),
    needed("llama_sampler_chain_add", None, Sampler, Sampler),
    needed("llama_sampler_init_greedy", Sampler),
    needed("llama_sampler_init_dist", Sampler, c_uint32),
    optional("llama_sampler_init_softmax", Sampler),
    needed("llama_sampler_init_top_k", Sampler, c_int32),
    needed("llama_sampler_init_top_p", Sampler, c_float, c_size_t),
    needed("llama_sampler_init_min_p", Sampler, c_float, c_size_t),
    optional("llama_sampler_init_typical", Sampler, c_float, c_size_t),
    needed("llama_sampler_init_temp", Sampler, c_float),
    optional("llama_sampler_init_temp_ext", Sampler, c_float, c_float, c_float),
    optional("llama_sampler_init_xtc", Sampler, c_float, c_float, c_size_t, c_uint32),
    optional("llama_sampler_init_top_n_sigma", Sampler, c_float),
    optional("llama_sampler_init_mirostat", Sampler, c_int32, c_uint32, c_float, c_float, c_int32),
    optional("llama_sampler_init_mirostat_v2", Sampler, c_uint32, c_float, c_float),
    optional("llama_sampler_init_adaptive_p", Sampler, c_float, c_float, c_uint32),
    optional("llama_sampler_init_infill", Sampler, Vocab),
    needed("llama_sampler_init_penalties", Sampler),  # its arguments are found out by penalties.bind
    optional("llama_sampler_init_dry", Sampler),  # as above, by dry.bind
    needed("llama_sampler_sample", c_int32, Sampler, Context, c_int32),
    optional("llama_set_sampler", c_bool, Context, c_int32, Sampler),  # the device then samples for that sequence
    # Utilities
    needed("llama_print_system_info", c_char_p),
    needed("llama_log_set", None, LogCallback, c_void_p),
    optional("llama_version", c_char_p),
)

GGML: Final = (
    # ggml-backend.h, the registry
    optional("ggml_backend_reg_count", c_size_t),
    optional("ggml_backend_reg_by_name", Reg, c_char_p),
    optional("ggml_backend_reg_get_proc_address", c_void_p, Reg, c_char_p),
    optional("ggml_backend_register", None, Reg),
    optional("ggml_backend_device_register", None, Device),
    optional("ggml_backend_dev_count", c_size_t),
    optional("ggml_backend_dev_get", Device, c_size_t),
    optional("ggml_backend_dev_name", c_char_p, Device),
    optional("ggml_backend_dev_description", c_char_p, Device),
    optional("ggml_backend_dev_type", c_int32, Device),
    optional("ggml_backend_dev_memory", None, Device, Array, Array),
    optional("ggml_backend_dev_buffer_type", Buffers, Device),
    optional("ggml_backend_buft_name", c_char_p, Buffers),
    optional("ggml_backend_load_all_from_path", None, c_char_p),
    # ggml.h
    optional("ggml_log_set", None, LogCallback, c_void_p),
    optional("ggml_version", c_char_p),
    optional("ggml_threadpool_params_init", None, Array, c_int32),
)

ONE_OF: Final = (("llama_memory_clear", "llama_kv_self_clear", "llama_kv_cache_clear"),)
"""Each group has optional functions of which a library must have one."""
