"""Tiny models that keep a state in some layers and all tokens in others, in F32: LFM2's kind, and Jamba's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from tests import engine_models

WIDTH: Final = 64
INNER: Final = 128
HEADS: Final = 2
KERNEL: Final = 3
STATE: Final = 8
RANK: Final = 4
LAYERS: Final = (0, 1, 0, 1)
"""Each layer has so many key heads; none where it keeps a state."""


class _Tensors:
    """These random weights go to a writer in their order."""

    def __init__(self, writer: Any, seed: int) -> None:
        self._writer = writer
        self._random = np.random.default_rng(seed)

    def matrix(self, name: str, *shape: int, scale: float = 0.0) -> None:
        values = self._random.normal(0, scale or 2 * shape[-1] ** -0.5, shape)
        self.add(f"{name}.weight", values)

    def words(self, name: str, n_tokens: int) -> None:
        """Adds a row for each token; those of no word are nothing."""
        values = self._random.normal(0, 1.0, (n_tokens, WIDTH))
        values[: engine_models.FIRST_WORD] = 0
        self.add(f"{name}.weight", values)

    def ones(self, name: str, count: int) -> None:
        self.add(f"{name}.weight", np.ones(count))

    def add(self, name: str, values: Any) -> None:
        self._writer.add_tensor(name, values.astype(np.float32))

    def attention(self, block: str) -> None:
        head = WIDTH // HEADS
        for part, rows in (("attn_q", WIDTH), ("attn_k", head), ("attn_v", head)):
            self.matrix(f"{block}.{part}", rows, WIDTH)
        self.matrix(f"{block}.attn_output", WIDTH, WIDTH)

    def feed_forward(self, block: str) -> None:
        self.ones(f"{block}.ffn_norm", WIDTH)
        self.matrix(f"{block}.ffn_gate", INNER, WIDTH)
        self.matrix(f"{block}.ffn_up", INNER, WIDTH)
        self.matrix(f"{block}.ffn_down", WIDTH, INNER)


def write_lfm2(file: Path) -> Path:
    """Writes short convolutions, which keep their last inputs, and attention by turns."""
    writer, tensors, n_tokens = _opened(file, "lfm2", 5)
    writer.add_shortconv_l_cache(KERNEL)
    writer.add_rope_freq_base(10000.0)
    tensors.words("token_embd", n_tokens)  # they make its logits, too: it answers with words alone
    tensors.ones("token_embd_norm", WIDTH)
    for layer, keys in enumerate(LAYERS):
        block = f"blk.{layer}"
        tensors.ones(f"{block}.attn_norm", WIDTH)
        if keys:
            tensors.attention(block)
            tensors.ones(f"{block}.attn_q_norm", WIDTH // HEADS)
            tensors.ones(f"{block}.attn_k_norm", WIDTH // HEADS)
        else:
            tensors.matrix(f"{block}.shortconv.conv", WIDTH, KERNEL)
            tensors.matrix(f"{block}.shortconv.in_proj", 3 * WIDTH, WIDTH)
            tensors.matrix(f"{block}.shortconv.out_proj", WIDTH, WIDTH)
        tensors.feed_forward(block)
    return engine_models.closed(writer, file)


def write_jamba(file: Path) -> Path:
    """Writes Mamba's layers and attention by turns."""
    writer, tensors, n_tokens = _opened(file, "jamba", 6)
    writer.add_ssm_conv_kernel(KERNEL + 1)
    writer.add_ssm_inner_size(INNER)
    writer.add_ssm_state_size(STATE)
    writer.add_ssm_time_step_rank(RANK)
    tensors.matrix("token_embd", n_tokens, WIDTH, scale=1.0)
    tensors.matrix("output", n_tokens, WIDTH)
    tensors.ones("output_norm", WIDTH)
    for layer, keys in enumerate(LAYERS):
        block = f"blk.{layer}"
        tensors.ones(f"{block}.attn_norm", WIDTH)
        if keys:
            tensors.attention(block)
        else:
            tensors.matrix(f"{block}.ssm_in", 2 * INNER, WIDTH)
            tensors.matrix(f"{block}.ssm_conv1d", INNER, KERNEL + 1)
            tensors.add(f"{block}.ssm_conv1d.bias", np.full(INNER, 0.1))
            tensors.matrix(f"{block}.ssm_x", RANK + 2 * STATE, INNER)
            tensors.ones(f"{block}.ssm_dt_norm", RANK)
            tensors.ones(f"{block}.ssm_b_norm", STATE)
            tensors.ones(f"{block}.ssm_c_norm", STATE)
            tensors.matrix(f"{block}.ssm_dt", INNER, RANK)
            tensors.add(f"{block}.ssm_dt.bias", np.full(INNER, -2.0))
            tensors.add(f"{block}.ssm_a", -np.tile(np.arange(1, STATE + 1) / 8, (INNER, 1)))
            tensors.add(f"{block}.ssm_d", np.ones(INNER))
            tensors.matrix(f"{block}.ssm_out", WIDTH, INNER)
        tensors.feed_forward(block)
    return engine_models.closed(writer, file)


def _opened(file: Path, architecture: str, seed: int) -> tuple[Any, _Tensors, int]:
    writer = engine_models.opened(file, architecture)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(len(LAYERS))
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(list(LAYERS))
    writer.add_layer_norm_rms_eps(1e-5)
    n_tokens = engine_models.add_vocabulary(writer)
    return writer, _Tensors(writer, seed), n_tokens
