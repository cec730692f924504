"""Lists the byte layouts of mtmd_context_params, and the functions of mtmd.h and mtmd-helper.h that are called. Data;
any thread.

As `layouts` and `signatures`. mtmd.h is declared experimental and changes more than llama.h: only functions are here
whose arguments have stayed, or have only had more of them put behind. A function that has fewer leaves those alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hoshikage._ffi.layout import Field, Layout
from hoshikage._ffi.signatures import Context, Model, needed, optional
from hoshikage._ffi.types import Image, LogCallback, c_bool, c_char_p, c_int32, c_size_t, c_uint32, c_void_p

Mtmd = Bitmap = Chunks = Chunk = Array = c_void_p

FIELDS: Final[Mapping[str, Field]] = {
    "use_gpu": Field("?", (1,)),
    "device": Field("P", (0,)),
    "print_timings": Field("?", (1,)),
    "n_threads": Field("i", (4,)),
    "verbosity": Field("i", (2,)),
    "image_marker": Field("P", (), "an address, then NULL"),
    "media_marker": Field("P", (), "what mtmd_default_marker returns"),
    "flash_attn_type": Field("i", (-1,)),
    "warmup": Field("?", (1,)),
    "image_min_tokens": Field("i", (-1,)),
    "image_max_tokens": Field("i", (-1,)),
    "cb_eval": Field("P", (0,)),
    "cb_eval_user_data": Field("P", (0,)),
    "batch_max_tokens": Field("i", (1024,)),
    "progress_callback": Field("P", (0,)),
    "progress_callback_user_data": Field("P", (0,)),
}

LAYOUTS: Final = (
    Layout("mtmd-A", 32, "lcp-0.3.10 lcp-0.3.16 xl-0.1.20 xl-0.2.0",
        "use_gpu@0 print_timings@1 n_threads@4 verbosity@8 image_marker@16 media_marker@24"),
    Layout("mtmd-B", 40, "xl-0.2.9",
        "use_gpu@0 print_timings@1 n_threads@4 image_marker@8 media_marker@16 flash_attn_type@24 warmup@28 "
        "image_min_tokens@32 image_max_tokens@36"),
    Layout("mtmd-C", 56, "lcp-0.3.20 lcp-0.3.24 xl-0.2.14 xl-2026.5.9294",
        "use_gpu@0 print_timings@1 n_threads@4 image_marker@8 media_marker@16 flash_attn_type@24 warmup@28 "
        "image_min_tokens@32 image_max_tokens@36 cb_eval@40 cb_eval_user_data@48"),
    Layout("mtmd-D", 64, "lcp-0.3.30",
        "use_gpu@0 print_timings@1 n_threads@4 image_marker@8 media_marker@16 flash_attn_type@24 warmup@28 "
        "image_min_tokens@32 image_max_tokens@36 cb_eval@40 cb_eval_user_data@48 batch_max_tokens@56"),
    Layout("mtmd-D80", 80, "sync-0.10330",
        "use_gpu@0 print_timings@1 n_threads@4 image_marker@8 media_marker@16 flash_attn_type@24 warmup@28 "
        "image_min_tokens@32 image_max_tokens@36 cb_eval@40 cb_eval_user_data@48 batch_max_tokens@56 "
        "progress_callback@64 progress_callback_user_data@72"),
    Layout("mtmd-E", 96, "lcp-0.3.36 v0.7.0 sync-0.11739 xl-2026.8.10566 xl-2026.10.11549",
        "use_gpu@0 device@8 print_timings@16 n_threads@20 image_marker@24 media_marker@32 flash_attn_type@40 "
        "warmup@44 image_min_tokens@48 image_max_tokens@52 cb_eval@56 cb_eval_user_data@64 batch_max_tokens@72 "
        "progress_callback@80 progress_callback_user_data@88"),
)  # fmt: skip

FUNCTIONS: Final = (
    needed("mtmd_context_params_default", None),  # called through images.default_image
    needed("mtmd_default_marker", c_void_p),
    needed("mtmd_init_from_file", Mtmd, c_char_p, Model, Image),
    needed("mtmd_free", None, Mtmd),
    needed("mtmd_decode_use_non_causal", c_bool, Mtmd, Chunk),  # the chunk came later
    needed("mtmd_support_vision", c_bool, Mtmd),
    optional("mtmd_support_audio", c_bool, Mtmd),
    optional("mtmd_get_audio_sample_rate", c_int32, Mtmd, older=("mtmd_get_audio_bitrate",)),
    needed("mtmd_bitmap_init", Bitmap, c_uint32, c_uint32, c_void_p),
    optional("mtmd_bitmap_init_from_audio", Bitmap, c_size_t, c_void_p),
    needed("mtmd_bitmap_free", None, Bitmap),
    needed("mtmd_input_chunks_init", Chunks),
    needed("mtmd_input_chunks_size", c_size_t, Chunks),
    needed("mtmd_input_chunks_get", Chunk, Chunks, c_size_t),
    needed("mtmd_input_chunks_free", None, Chunks),
    needed("mtmd_input_chunk_get_type", c_int32, Chunk),
    needed("mtmd_input_chunk_get_tokens_text", Array, Chunk, Array),
    needed("mtmd_input_chunk_get_n_tokens", c_size_t, Chunk),
    needed("mtmd_input_chunk_get_n_pos", c_int32, Chunk),
    needed("mtmd_tokenize", c_int32, Mtmd, Chunks, c_void_p, Array, c_size_t),
    needed("mtmd_encode_chunk", c_int32, Mtmd, Chunk),
    needed("mtmd_get_output_embd", Array, Mtmd),
    optional("mtmd_log_set", None, LogCallback, c_void_p),
    optional("mtmd_helper_log_set", None, LogCallback, c_void_p),
    # The last two came later: a callback, and what it is given.
    needed(
        "mtmd_helper_decode_image_chunk", c_int32, Mtmd, Context, Chunk, Array, c_int32, c_int32, c_int32, Array,
        c_void_p, c_void_p,
    ),
)  # fmt: skip
