"""Tiny models of random weights that write text: of several architectures, head sizes, windows; and T5's two kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.engine_models import closed

N_VOCAB: Final = 352
N_LAYERS: Final = 2
N_HEADS: Final = 2
WORDS: Final = tuple(f"\u2581w{number}" for number in range(N_VOCAB - 259))
TOKENS: Final = ("<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS)
TYPES: Final = (2, 3, 3, *[6] * 256, *[1] * len(WORDS))
"""These are llama.h's token types: unknown, control, byte, normal."""


def write_decoder(
    file: Path,
    architecture: str = "llama",
    *,
    head: int = 32,
    window: int = 0,
    scale: float = 0.2,
    texts: Mapping[int, str] | None = None,
    types: Mapping[int, int] | None = None,
    extra: Mapping[str, str | int | float | list[int]] | None = None,
    merged: Callable[[str, Any], Any] = lambda _name, values: values,
    biases: Mapping[str, Any] | None = None,
) -> Path:
    """`merged` makes a matrix of its name and values; `biases` are more tensors.

    `scale` is the spread of its weights, `texts` and `types` those of some of its tokens; `extra` more metadata.
    """
    n_embd = head * N_HEADS
    random = np.random.default_rng(7)
    writer: Any = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(4096)
    writer.add_embedding_length(n_embd)
    writer.add_block_count(N_LAYERS)
    writer.add_feed_forward_length(2 * n_embd)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(head)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if window:
        writer.add_sliding_window(window)
    if architecture == "gemma2":
        writer.add_key_length(head)
        writer.add_value_length(head)
        writer.add_attn_logit_softcapping(50.0)
        writer.add_final_logit_softcapping(30.0)
    tokens = [*map((texts or {}).get, range(N_VOCAB), TOKENS)]
    kinds = [*map((types or {}).get, range(N_VOCAB), TYPES)]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(number) for number in range(len(WORDS))])
    writer.add_token_types(kinds)
    for name, token in (("unk", 0), ("bos", 1), ("eos", 2)):
        getattr(writer, f"add_{name}_token_id")(token)
    _add_pairs(writer, extra or {})

    def matrix(name: str, rows: int, columns: int) -> None:
        values = random.normal(0, scale, (rows, columns)).astype(np.float32)
        writer.add_tensor(f"{name}.weight", merged(f"{name}.weight", values))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(n_embd, np.float32))

    matrix("token_embd", N_VOCAB, n_embd)
    norm("output_norm")
    if architecture != "gemma2":
        matrix("output", N_VOCAB, n_embd)
    for layer in range(N_LAYERS):
        norm(f"blk.{layer}.attn_norm")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{part}", n_embd, n_embd)
        norm(f"blk.{layer}.ffn_norm")
        if architecture == "gemma2":
            norm(f"blk.{layer}.post_attention_norm")
            norm(f"blk.{layer}.post_ffw_norm")
        if architecture == "dream":
            for part in ("attn_q", "attn_k", "attn_v"):
                writer.add_tensor(f"blk.{layer}.{part}.bias", np.zeros(n_embd, np.float32))
        matrix(f"blk.{layer}.ffn_gate", 2 * n_embd, n_embd)
        matrix(f"blk.{layer}.ffn_up", 2 * n_embd, n_embd)
        matrix(f"blk.{layer}.ffn_down", n_embd, 2 * n_embd)
    for name, values in (biases or {}).items():
        writer.add_tensor(name, values)
    return closed(writer, file)


def write_t5(file: Path, *, decoder: bool) -> Path:
    """Writes an encoder with positions relative to each other; `decoder` puts a decoder behind it."""
    n_embd, n_layers = 64, 2
    random = np.random.default_rng(3)
    writer: Any = gguf.GGUFWriter(file, "t5" if decoder else "t5encoder")
    writer.add_context_length(512)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(2 * n_embd)
    writer.add_block_count(n_layers)
    writer.add_head_count(N_HEADS)
    writer.add_key_length(32)
    writer.add_value_length(32)
    writer.add_layer_norm_eps(1e-6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_relative_attn_buckets_count(32)
    writer.add_decoder_start_token_id(0)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    tokens = ("<pad>", "</s>", "<unk>", *WORDS)
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 3 + [-float(number) for number in range(len(WORDS))])
    writer.add_token_types([3, 3, 2, *[1] * len(WORDS)])
    for name, token in (("pad", 0), ("eos", 1), ("unk", 2)):
        getattr(writer, f"add_{name}_token_id")(token)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(True)

    def matrix(name: str, rows: int, columns: int) -> None:
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.3, (rows, columns)).astype(np.float32))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(n_embd, np.float32))

    matrix("token_embd", len(tokens), n_embd)
    for side in ("enc", "dec") if decoder else ("enc",):
        norm(f"{side}.output_norm")
        for layer in range(n_layers):
            block = f"{side}.blk.{layer}"
            norm(f"{block}.attn_norm")
            for part in ("q", "k", "v", "o"):
                matrix(f"{block}.attn_{part}", n_embd, n_embd)
                if side == "dec":
                    matrix(f"{block}.cross_attn_{part}", n_embd, n_embd)
            if side == "dec":
                norm(f"{block}.cross_attn_norm")
            if not layer:
                matrix(f"{block}.attn_rel_b", 32, N_HEADS)
            norm(f"{block}.ffn_norm")
            matrix(f"{block}.ffn_up", 2 * n_embd, n_embd)
            matrix(f"{block}.ffn_gate", 2 * n_embd, n_embd)
            matrix(f"{block}.ffn_down", n_embd, 2 * n_embd)
    if decoder:
        matrix("output", len(tokens), n_embd)
    return closed(writer, file)


def _add_pairs(writer: Any, pairs: Mapping[str, str | int | float | list[int]]) -> None:
    adds = {
        bool: writer.add_bool,
        str: writer.add_string,
        int: writer.add_uint32,
        float: writer.add_float32,
        list: writer.add_array,
    }
    for name, value in pairs.items():
        adds[type(value)](name, value)
