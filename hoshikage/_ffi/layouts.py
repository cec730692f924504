"""Lists the byte layouts of llama_model_params and llama_context_params, release by release. Data; any thread.

Made by scripts/abi_layouts.py from llama.h headers; a row is `field@offset` in the struct's order, as a C compiler
lays it out where pointers have eight bytes and enums four (x86-64 and AArch64 alike). A layout's third value is where
it was seen: bNNNN and vN.N.N are llama.cpp releases, lcp- and rn- the headers in that release of llama-cpp-python and
llama.rn, xl- the library in that release of xllamacpp. FIELDS says of each field what it is and which defaults have
been seen in it. A layout that is not here is refused (recognition.py) or calibrated.
"""

from __future__ import annotations

from typing import Final

from hoshikage._ffi.layout import Field, Layout

FIELDS: Final[dict[str, Field]] = {
    # llama_model_params
    "devices": Field("P", (0,)),
    "tensor_buft_overrides": Field("P", (0,)),
    "n_gpu_layers": Field("i", (0, 999, -1), "0 up to b6301, 999 up to b7617 and on Metal, then -1"),
    "split_mode": Field("i", (1,)),
    "load_mode": Field("i", (1, -1), "MMAP, then AUTO"),
    "lazy_mode": Field("i", (1,)),
    "main_gpu": Field("i", (0,)),
    "tensor_split": Field("P", (0,)),
    "rpc_servers": Field("P", (0,)),
    "progress_callback": Field("P", (0,)),
    "progress_callback_user_data": Field("P", (0,)),
    "kv_overrides": Field("P", (0,)),
    "vocab_only": Field("?", (0,)),
    "use_mmap": Field("?", (1,)),
    "use_direct_io": Field("?", (0, 1), "1 in b7698 only"),
    "use_mlock": Field("?", (0,)),
    "check_tensors": Field("?", (0,)),
    "use_extra_bufts": Field("?", (1,)),
    "no_host": Field("?", (0,)),
    "no_alloc": Field("?", (0,)),
    "load_mtp": Field("?", (0,)),
    # llama_context_params
    "n_ctx": Field("I", (512,)),
    "n_batch": Field("I", (2048,)),
    "n_ubatch": Field("I", (512,)),
    "n_seq_max": Field("I", (1,)),
    "n_rs_seq": Field("I", (0,)),
    "n_outputs_max": Field("I", (0,)),
    "n_outputs_max_per_seq": Field("I", (1,)),
    "n_threads": Field("i", (4,)),
    "n_threads_batch": Field("i", (4,)),
    "ctx_type": Field("i", (0,)),
    "rope_scaling_type": Field("i", (-1,)),
    "pooling_type": Field("i", (-1,)),
    "attention_type": Field("i", (-1,)),
    "flash_attn_type": Field("i", (-1,)),
    "rope_freq_base": Field("f", (0,)),
    "rope_freq_scale": Field("f", (0,)),
    "yarn_ext_factor": Field("f", (-1,)),
    "yarn_attn_factor": Field("f", (1, -1), "-1 from b6845 on"),
    "yarn_beta_fast": Field("f", (32, -1), "-1 from b6845 on"),
    "yarn_beta_slow": Field("f", (1, -1), "-1 from b6845 on"),
    "yarn_orig_ctx": Field("I", (0,)),
    "defrag_thold": Field("f", (-1,)),
    "cb_eval": Field("P", (0,)),
    "cb_eval_user_data": Field("P", (0,)),
    "type_k": Field("i", (1,)),
    "type_v": Field("i", (1,)),
    "abort_callback": Field("P", (0,)),
    "abort_callback_data": Field("P", (0,)),
    "logits_all": Field("?", (0,)),
    "embeddings": Field("?", (0,)),
    "offload_kqv": Field("?", (1,)),
    "flash_attn": Field("?", (0,)),
    "no_perf": Field("?", (1,)),
    "op_offload": Field("?", (1,)),
    "swa_full": Field("?", (1,)),
    "kv_unified": Field("?", (0,)),
    "samplers": Field("P", (0,)),
    "n_samplers": Field("P", (0,)),
    "ctx_other": Field("P", (0,)),
    "moe_cache_size": Field("P", (0,)),
}

MODEL_LAYOUTS: Final = (
    Layout("mdl-A", 64,
        "b3889 b3995 lcp-0.3.2",
        "n_gpu_layers@0 split_mode@4 main_gpu@8 tensor_split@16 rpc_servers@24 progress_callback@32 "
        "progress_callback_user_data@40 kv_overrides@48 vocab_only@56 use_mmap@57 use_mlock@58 check_tensors@59"),
    Layout("mdl-B", 72,
        "b4234 b4291 b4435 lcp-0.3.5 lcp-0.3.6",
        "devices@0 n_gpu_layers@8 split_mode@12 main_gpu@16 tensor_split@24 rpc_servers@32 progress_callback@40 "
        "progress_callback_user_data@48 kv_overrides@56 vocab_only@64 use_mmap@65 use_mlock@66 check_tensors@67"),
    Layout("mdl-C", 64,
        "b4529 b4600 b4753 b4980 lcp-0.3.7 lcp-0.3.8",
        "devices@0 n_gpu_layers@8 split_mode@12 main_gpu@16 tensor_split@24 progress_callback@32 "
        "progress_callback_user_data@40 kv_overrides@48 vocab_only@56 use_mmap@57 use_mlock@58 check_tensors@59"),
    Layout("mdl-D", 72,
        "b5590 b5640 lcp-0.3.9 lcp-0.3.10 lcp-0.3.11 lcp-0.3.12 lcp-0.3.14",
        "devices@0 tensor_buft_overrides@8 n_gpu_layers@16 split_mode@20 main_gpu@24 tensor_split@32 "
        "progress_callback@40 progress_callback_user_data@48 kv_overrides@56 vocab_only@64 use_mmap@65 use_mlock@66 "
        "check_tensors@67"),
    Layout("mdl-E", 72,
        "b6122 b6133 b6301 b6431 b6673 lcp-0.3.16 rn-0.6.12",
        "devices@0 tensor_buft_overrides@8 n_gpu_layers@16 split_mode@20 main_gpu@24 tensor_split@32 "
        "progress_callback@40 progress_callback_user_data@48 kv_overrides@56 vocab_only@64 use_mmap@65 use_mlock@66 "
        "check_tensors@67 use_extra_bufts@68"),
    Layout("mdl-F", 72,
        "b6845 b7324 b7347 rn-0.7.0 rn-0.8.0 rn-0.9.0",
        "devices@0 tensor_buft_overrides@8 n_gpu_layers@16 split_mode@20 main_gpu@24 tensor_split@32 "
        "progress_callback@40 progress_callback_user_data@48 kv_overrides@56 vocab_only@64 use_mmap@65 use_mlock@66 "
        "check_tensors@67 use_extra_bufts@68 no_host@69"),
    Layout("mdl-G", 72,
        "rn-0.9.7",
        "devices@0 tensor_buft_overrides@8 n_gpu_layers@16 split_mode@20 main_gpu@24 tensor_split@32 "
        "progress_callback@40 progress_callback_user_data@48 kv_overrides@56 vocab_only@64 use_mmap@65 use_mlock@66 "
        "check_tensors@67 use_extra_bufts@68 no_host@69 no_alloc@70"),
    Layout("mdl-H", 72,
        "b7698 b7836 b8095 b8121 b8179 b8352 b8390 b9842 b10068 lcp-0.3.17 lcp-0.3.19 lcp-0.3.21 lcp-0.3.22 "
        "lcp-0.3.23 lcp-0.3.24 lcp-0.3.25 lcp-0.3.26 lcp-0.3.28 lcp-0.3.31 lcp-0.3.33 lcp-0.3.34 rn-0.10.0 "
        "rn-0.10.1 rn-0.11.0 rn-0.11.0-rc.2 rn-0.11.1 rn-0.11.5 rn-0.12.0 rn-0.12.1 rn-0.12.3 rn-0.12.4 rn-0.12.5 "
        "rn-0.12.6",
        "devices@0 tensor_buft_overrides@8 n_gpu_layers@16 split_mode@20 main_gpu@24 tensor_split@32 "
        "progress_callback@40 progress_callback_user_data@48 kv_overrides@56 vocab_only@64 use_mmap@65 "
        "use_direct_io@66 use_mlock@67 check_tensors@68 use_extra_bufts@69 no_host@70 no_alloc@71"),
    Layout("mdl-I", 72,
        "b10361 lcp-0.3.35 rn-0.12.9 rn-0.13.0-rc.2",
        "devices@0 tensor_buft_overrides@8 n_gpu_layers@16 split_mode@20 load_mode@24 main_gpu@28 tensor_split@32 "
        "progress_callback@40 progress_callback_user_data@48 kv_overrides@56 vocab_only@64 check_tensors@65 "
        "use_extra_bufts@66 no_host@67 no_alloc@68 load_mtp@69"),
    Layout("mdl-J", 80,
        "v0.4.0 v0.5.0 lcp-0.3.36 rn-0.13.0-rc.5 v0.7.0",
        "devices@0 tensor_buft_overrides@8 n_gpu_layers@16 split_mode@20 load_mode@24 lazy_mode@28 main_gpu@32 "
        "tensor_split@40 progress_callback@48 progress_callback_user_data@56 kv_overrides@64 vocab_only@72 "
        "check_tensors@73 use_extra_bufts@74 no_host@75 no_alloc@76 load_mtp@77"),
)  # fmt: skip

CONTEXT_LAYOUTS: Final = (
    Layout("ctx-A", 120,
        "b3889 b3995 b4234 b4291 b4435 b4529 b4600 b4753 b4980 lcp-0.3.2 lcp-0.3.5 lcp-0.3.6 lcp-0.3.7 lcp-0.3.8 "
        "lcp-0.3.9",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_threads@16 n_threads_batch@20 rope_scaling_type@24 "
        "pooling_type@28 attention_type@32 rope_freq_base@36 rope_freq_scale@40 yarn_ext_factor@44 "
        "yarn_attn_factor@48 yarn_beta_fast@52 yarn_beta_slow@56 yarn_orig_ctx@60 defrag_thold@64 cb_eval@72 "
        "cb_eval_user_data@80 type_k@88 type_v@92 logits_all@96 embeddings@97 offload_kqv@98 flash_attn@99 "
        "no_perf@100 abort_callback@104 abort_callback_data@112"),
    Layout("ctx-B117", 120,
        "xl-0.1.16",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_threads@16 n_threads_batch@20 rope_scaling_type@24 "
        "pooling_type@28 attention_type@32 rope_freq_base@36 rope_freq_scale@40 yarn_ext_factor@44 "
        "yarn_attn_factor@48 yarn_beta_fast@52 yarn_beta_slow@56 yarn_orig_ctx@60 defrag_thold@64 cb_eval@72 "
        "cb_eval_user_data@80 type_k@88 type_v@92 abort_callback@96 abort_callback_data@104 embeddings@112 "
        "offload_kqv@113 flash_attn@114 no_perf@115 op_offload@116"),
    Layout("ctx-B118", 120,
        "b5590 b5640 lcp-0.3.10 lcp-0.3.11 lcp-0.3.12 lcp-0.3.14",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_threads@16 n_threads_batch@20 rope_scaling_type@24 "
        "pooling_type@28 attention_type@32 rope_freq_base@36 rope_freq_scale@40 yarn_ext_factor@44 "
        "yarn_attn_factor@48 yarn_beta_fast@52 yarn_beta_slow@56 yarn_orig_ctx@60 defrag_thold@64 cb_eval@72 "
        "cb_eval_user_data@80 type_k@88 type_v@92 abort_callback@96 abort_callback_data@104 embeddings@112 "
        "offload_kqv@113 flash_attn@114 no_perf@115 op_offload@116 swa_full@117"),
    Layout("ctx-C", 120,
        "b6122 b6133 b6301 lcp-0.3.16 rn-0.6.12",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_threads@16 n_threads_batch@20 rope_scaling_type@24 "
        "pooling_type@28 attention_type@32 rope_freq_base@36 rope_freq_scale@40 yarn_ext_factor@44 "
        "yarn_attn_factor@48 yarn_beta_fast@52 yarn_beta_slow@56 yarn_orig_ctx@60 defrag_thold@64 cb_eval@72 "
        "cb_eval_user_data@80 type_k@88 type_v@92 abort_callback@96 abort_callback_data@104 embeddings@112 "
        "offload_kqv@113 flash_attn@114 no_perf@115 op_offload@116 swa_full@117 kv_unified@118"),
    Layout("ctx-D", 120,
        "b6431 b6673 b6845 b7324 b7347 rn-0.7.0 rn-0.8.0 rn-0.9.0 rn-0.9.7",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_threads@16 n_threads_batch@20 rope_scaling_type@24 "
        "pooling_type@28 attention_type@32 flash_attn_type@36 rope_freq_base@40 rope_freq_scale@44 "
        "yarn_ext_factor@48 yarn_attn_factor@52 yarn_beta_fast@56 yarn_beta_slow@60 yarn_orig_ctx@64 "
        "defrag_thold@68 cb_eval@72 cb_eval_user_data@80 type_k@88 type_v@92 abort_callback@96 "
        "abort_callback_data@104 embeddings@112 offload_kqv@113 no_perf@114 op_offload@115 swa_full@116 "
        "kv_unified@117"),
    Layout("ctx-E", 136,
        "b7698 b7836 b8095 b8121 b8179 b8352 b8390 lcp-0.3.17 lcp-0.3.19 lcp-0.3.21 lcp-0.3.22 lcp-0.3.23 rn-0.10.0 "
        "rn-0.10.1 rn-0.11.0 rn-0.11.0-rc.2 rn-0.11.1 rn-0.11.5 rn-0.12.0",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_threads@16 n_threads_batch@20 rope_scaling_type@24 "
        "pooling_type@28 attention_type@32 flash_attn_type@36 rope_freq_base@40 rope_freq_scale@44 "
        "yarn_ext_factor@48 yarn_attn_factor@52 yarn_beta_fast@56 yarn_beta_slow@60 yarn_orig_ctx@64 "
        "defrag_thold@68 cb_eval@72 cb_eval_user_data@80 type_k@88 type_v@92 abort_callback@96 "
        "abort_callback_data@104 embeddings@112 offload_kqv@113 no_perf@114 op_offload@115 swa_full@116 "
        "kv_unified@117 samplers@120 n_samplers@128"),
    Layout("ctx-F", 144,
        "lcp-0.3.24 rn-0.12.1 rn-0.12.3 rn-0.12.4",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_rs_seq@16 n_threads@20 n_threads_batch@24 ctx_type@28 "
        "rope_scaling_type@32 pooling_type@36 attention_type@40 flash_attn_type@44 rope_freq_base@48 "
        "rope_freq_scale@52 yarn_ext_factor@56 yarn_attn_factor@60 yarn_beta_fast@64 yarn_beta_slow@68 "
        "yarn_orig_ctx@72 defrag_thold@76 cb_eval@80 cb_eval_user_data@88 type_k@96 type_v@100 abort_callback@104 "
        "abort_callback_data@112 embeddings@120 offload_kqv@121 no_perf@122 op_offload@123 swa_full@124 "
        "kv_unified@125 samplers@128 n_samplers@136"),
    Layout("ctx-G", 152,
        "lcp-0.3.25 lcp-0.3.26",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_rs_seq@16 n_outputs_max@20 n_threads@24 n_threads_batch@28 "
        "ctx_type@32 rope_scaling_type@36 pooling_type@40 attention_type@44 flash_attn_type@48 rope_freq_base@52 "
        "rope_freq_scale@56 yarn_ext_factor@60 yarn_attn_factor@64 yarn_beta_fast@68 yarn_beta_slow@72 "
        "yarn_orig_ctx@76 defrag_thold@80 cb_eval@88 cb_eval_user_data@96 type_k@104 type_v@108 abort_callback@112 "
        "abort_callback_data@120 embeddings@128 offload_kqv@129 no_perf@130 op_offload@131 swa_full@132 "
        "kv_unified@133 samplers@136 n_samplers@144"),
    Layout("ctx-H", 160,
        "b9842 b10068 lcp-0.3.28 lcp-0.3.31 lcp-0.3.33 lcp-0.3.34 rn-0.12.5 rn-0.12.6 rn-0.12.9",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_rs_seq@16 n_outputs_max@20 n_threads@24 n_threads_batch@28 "
        "ctx_type@32 rope_scaling_type@36 pooling_type@40 attention_type@44 flash_attn_type@48 rope_freq_base@52 "
        "rope_freq_scale@56 yarn_ext_factor@60 yarn_attn_factor@64 yarn_beta_fast@68 yarn_beta_slow@72 "
        "yarn_orig_ctx@76 defrag_thold@80 cb_eval@88 cb_eval_user_data@96 type_k@104 type_v@108 abort_callback@112 "
        "abort_callback_data@120 embeddings@128 offload_kqv@129 no_perf@130 op_offload@131 swa_full@132 "
        "kv_unified@133 samplers@136 n_samplers@144 ctx_other@152"),
    Layout("ctx-I", 160,
        "b10361 v0.4.0 v0.5.0 lcp-0.3.35 lcp-0.3.36 rn-0.13.0-rc.2 rn-0.13.0-rc.5",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_rs_seq@16 n_outputs_max@20 n_outputs_max_per_seq@24 "
        "n_threads@28 n_threads_batch@32 ctx_type@36 rope_scaling_type@40 pooling_type@44 attention_type@48 "
        "flash_attn_type@52 rope_freq_base@56 rope_freq_scale@60 yarn_ext_factor@64 yarn_attn_factor@68 "
        "yarn_beta_fast@72 yarn_beta_slow@76 yarn_orig_ctx@80 defrag_thold@84 cb_eval@88 cb_eval_user_data@96 "
        "type_k@104 type_v@108 abort_callback@112 abort_callback_data@120 embeddings@128 offload_kqv@129 "
        "no_perf@130 op_offload@131 swa_full@132 kv_unified@133 samplers@136 n_samplers@144 ctx_other@152"),
    Layout("ctx-J", 168,
        "v0.7.0",
        "n_ctx@0 n_batch@4 n_ubatch@8 n_seq_max@12 n_rs_seq@16 n_outputs_max@20 n_outputs_max_per_seq@24 "
        "n_threads@28 n_threads_batch@32 ctx_type@36 rope_scaling_type@40 pooling_type@44 attention_type@48 "
        "flash_attn_type@52 rope_freq_base@56 rope_freq_scale@60 yarn_ext_factor@64 yarn_attn_factor@68 "
        "yarn_beta_fast@72 yarn_beta_slow@76 yarn_orig_ctx@80 defrag_thold@84 cb_eval@88 cb_eval_user_data@96 "
        "type_k@104 type_v@108 moe_cache_size@112 abort_callback@120 abort_callback_data@128 embeddings@136 "
        "offload_kqv@137 no_perf@138 op_offload@139 swa_full@140 kv_unified@141 samplers@144 n_samplers@152 "
        "ctx_other@160"),
)  # fmt: skip
