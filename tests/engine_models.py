"""Writes models for the engine's tests, in F32: one that keeps a state, one with attention, one that plays a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

N_WORDS: Final = 96
N_CTX: Final = 2048
_WIDTH, _INNER, _STATE, _RANK, _KERNEL, _LAYERS = 64, 128, 8, 4, 4, 2


def write_mamba(file: Path) -> Path:
    """Writes a Mamba of two layers and random weights, in F32: its state knows all of its text, and cannot be cut."""
    random = np.random.default_rng(7)
    writer = opened(file, "mamba")
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(_KERNEL)
    writer.add_ssm_inner_size(_INNER)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_RANK)

    def tensor(name: str, *shape: int, scale: float = 0.0) -> None:
        values = random.normal(0, scale or shape[-1] ** -0.5, shape)
        writer.add_tensor(name, values.astype(np.float32))

    n_tokens = add_vocabulary(writer)
    tensor("token_embd.weight", n_tokens, _WIDTH, scale=1.0)
    writer.add_tensor("output.weight", _outward(random, n_tokens))
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        writer.add_tensor(f"{block}.attn_norm.weight", np.ones(_WIDTH, np.float32))
        tensor(f"{block}.ssm_in.weight", 2 * _INNER, _WIDTH)
        tensor(f"{block}.ssm_conv1d.weight", _INNER, _KERNEL)
        tensor(f"{block}.ssm_conv1d.bias", _INNER, scale=0.1)
        tensor(f"{block}.ssm_x.weight", _RANK + 2 * _STATE, _INNER)
        tensor(f"{block}.ssm_dt.weight", _INNER, _RANK)
        writer.add_tensor(f"{block}.ssm_dt.bias", np.full(_INNER, -2.0, np.float32))
        slow = np.tile(np.arange(1, _STATE + 1, dtype=np.float32), (_INNER, 1))
        writer.add_tensor(f"{block}.ssm_a", -slow / 8)
        writer.add_tensor(f"{block}.ssm_d", np.ones(_INNER, np.float32))
        tensor(f"{block}.ssm_out.weight", _WIDTH, _INNER)
    return closed(writer, file)


def write_llama(file: Path) -> Path:
    """Writes a llama of two layers and random weights, in F32: what it says depends on all of its text by attention."""
    random = np.random.default_rng(11)
    writer = opened(file, "llama")
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // 2)
    n_tokens = add_vocabulary(writer)

    def tensor(name: str, *shape: int, scale: float = 0.0) -> None:
        values = random.normal(0, scale or 2 * shape[-1] ** -0.5, shape)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))

    tensor("token_embd", n_tokens, _WIDTH, scale=1.0)
    writer.add_tensor("output.weight", _outward(random, n_tokens))
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{name}.weight", np.ones(_WIDTH, np.float32))
        for name, rows in (("attn_q", _WIDTH), ("attn_k", _WIDTH // 2), ("attn_v", _WIDTH // 2)):
            tensor(f"{block}.{name}", rows, _WIDTH)
        tensor(f"{block}.attn_output", _WIDTH, _WIDTH)
        tensor(f"{block}.ffn_gate", _INNER, _WIDTH)
        tensor(f"{block}.ffn_up", _INNER, _WIDTH)
        tensor(f"{block}.ffn_down", _WIDTH, _INNER)
    return closed(writer, file)


def write_playback(file: Path) -> Path:
    """Writes a llama of one layer whose attention gives nothing: each word is followed by one other, in a circle that
    leads through all of them, so that a text depends on its last token alone."""
    width = -(-(N_WORDS + 1) // 32) * 32
    writer = opened(file, "llama")
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(width)
    n_tokens = add_vocabulary(writer)
    inward, outward = np.zeros((n_tokens, width), np.float32), np.zeros((n_tokens, width), np.float32)
    first = n_tokens - N_WORDS
    for token in range(n_tokens):
        inward[token, max(0, token - first + 1)] = 1
    outward[first, 0] = 1
    order = np.random.default_rng(3).permutation(N_WORDS)
    for word, following in zip(order, np.roll(order, -1), strict=True):
        outward[first + following, 1 + word] = 1
    writer.add_tensor("token_embd.weight", inward)
    writer.add_tensor("output.weight", outward)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((width, width), np.float32))
    writer.add_tensor("blk.0.ffn_gate.weight", np.zeros((32, width), np.float32))
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((32, width), np.float32))
    writer.add_tensor("blk.0.ffn_down.weight", np.zeros((width, 32), np.float32))
    return closed(writer, file)


def words(*numbers: int) -> tuple[int, ...]:
    """Returns the tokens of these words, each a number below N_WORDS."""
    return tuple(FIRST_WORD + number for number in numbers)


FIRST_WORD: Final = 3 + 256
"""The first word stands behind the control tokens and the bytes."""


def _outward(random: np.random.Generator, n_tokens: int) -> np.ndarray[Any, Any]:
    """Makes what makes logits: it answers with words alone."""
    outward = random.normal(0, 0.5, (n_tokens, _WIDTH)).astype(np.float32)
    outward[:FIRST_WORD] = 0
    return outward


def opened(file: Path, architecture: str) -> Any:
    writer: Any = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(N_CTX)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    return writer


def add_vocabulary(writer: Any) -> int:
    """Adds <unk>, <s>, </s>, the bytes and N_WORDS words, and returns how many tokens there are."""
    kinds = gguf.TokenType
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256, *[kinds.NORMAL] * N_WORDS]
    tokens += [f"\u2581word{number}" for number in range(N_WORDS)]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(types)
    writer.add_vocab_size(len(tokens))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    return len(tokens)


def closed(writer: Any, file: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
