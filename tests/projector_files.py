"""Writes tiny projectors of random weights: LLaVA's kind, Qwen2-VL's, and one for sound; with a text model for the
second."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.engine_models import closed
from tests.tiny_decoders import write_decoder

N_EMBD: Final = 64
"""The width of the text models that they fit: that of tiny_decoders."""
WIDTH: Final = 32
N_LAYERS: Final = 2
IMAGE_SIZE: Final = 56
PATCH: Final = 14
LLAVA_TOKENS: Final = (IMAGE_SIZE // PATCH) ** 2
GEMMA3_SIZE: Final = 112
GEMMA3_TOKENS: Final = (GEMMA3_SIZE // PATCH // 2) ** 2
N_MEL: Final = 128
STACK: Final = 12
SOUND_TOKENS: Final = 1500 // STACK
SECTIONS: Final = (4, 6, 6, 0)
"""M-RoPE divides a head of 32 values among time, height and width like this."""


class _Writer:
    def __init__(self, file: Path, seed: int) -> None:
        self._file = file
        self._random = np.random.default_rng(seed)
        self.gguf: Any = gguf.GGUFWriter(file, "clip")
        self.gguf.add_type("mmproj")
        self.gguf.add_file_type(gguf.LlamaFileType.ALL_F32)
        self.gguf.add_bool("clip.use_gelu", True)

    def matrix(self, name: str, *shape: int, bias: bool = True) -> None:
        values = self._random.normal(0, shape[-1] ** -0.5, shape)
        self.gguf.add_tensor(f"{name}.weight", values.astype(np.float32))
        if bias:
            self.gguf.add_tensor(f"{name}.bias", self._random.normal(0, 0.1, shape[0]).astype(np.float32))

    def tensor(self, name: str, *shape: int, scale: float = 0.3, half: bool = False) -> None:
        values = self._random.normal(0, scale, shape)
        self.gguf.add_tensor(name, values.astype(np.float16 if half else np.float32))

    def norm(self, name: str, width: int = WIDTH, *, bias: bool = True) -> None:
        self.gguf.add_tensor(f"{name}.weight", np.ones(width, np.float32))
        if bias:
            self.gguf.add_tensor(f"{name}.bias", np.zeros(width, np.float32))

    def sizes(self, prefix: str, projection: int) -> None:
        for key, value in {
            "embedding_length": WIDTH, "feed_forward_length": 2 * WIDTH, "block_count": N_LAYERS,
            "attention.head_count": 2, "projection_dim": projection,
        }.items():  # fmt: skip
            self.gguf.add_uint32(f"clip.{prefix}.{key}", value)
        self.gguf.add_float32(f"clip.{prefix}.attention.layer_norm_epsilon", 1e-5)

    def picture(self, size: int = IMAGE_SIZE) -> None:
        self.gguf.add_bool("clip.has_vision_encoder", True)
        self.gguf.add_uint32("clip.vision.image_size", size)
        self.gguf.add_uint32("clip.vision.patch_size", PATCH)
        self.gguf.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
        self.gguf.add_array("clip.vision.image_std", [0.25, 0.25, 0.25])

    def blocks(self, prefix: str) -> None:
        for layer in range(N_LAYERS):
            block = f"{prefix}.blk.{layer}"
            for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
                self.matrix(f"{block}.{part}", WIDTH, WIDTH, bias=(prefix, part) != ("a", "attn_k"))  # as Whisper
            self.norm(f"{block}.ln1")
            self.norm(f"{block}.ln2")
            self.matrix(f"{block}.ffn_up", 2 * WIDTH, WIDTH)
            self.matrix(f"{block}.ffn_down", WIDTH, 2 * WIDTH)

    def close(self) -> Path:
        return closed(self.gguf, self._file)


def write_llava(file: Path, n_embd: int = N_EMBD) -> Path:
    """Writes CLIP's encoder and a projector of two matrices: each picture is LLAVA_TOKENS tokens and as many
    positions."""
    writer = _Writer(file, 21)
    writer.gguf.add_string("clip.projector_type", "mlp")
    writer.picture()
    writer.sizes("vision", n_embd)
    writer.tensor("v.class_embd", WIDTH)
    writer.tensor("v.patch_embd.weight", WIDTH, 3, PATCH, PATCH, scale=0.05)
    writer.tensor("v.position_embd.weight", LLAVA_TOKENS + 1, WIDTH)
    writer.norm("v.pre_ln")
    writer.norm("v.post_ln")
    writer.blocks("v")
    writer.matrix("mm.0", WIDTH, WIDTH)
    writer.matrix("mm.2", n_embd, WIDTH)
    return writer.close()


def write_qwen2vl(file: Path, n_embd: int = N_EMBD) -> Path:
    """Writes Qwen2-VL's: as many tokens as the picture is large, whose positions are fewer (M-RoPE)."""
    writer = _Writer(file, 22)
    writer.gguf.add_string("clip.projector_type", "qwen2vl_merger")
    writer.picture()
    writer.sizes("vision", n_embd)
    writer.tensor("v.patch_embd.weight", WIDTH, 3, PATCH, PATCH, scale=0.05)
    writer.tensor("v.patch_embd.weight.1", WIDTH, 3, PATCH, PATCH, scale=0.05)
    writer.norm("v.post_ln")
    writer.blocks("v")
    writer.matrix("mm.0", 4 * WIDTH, 4 * WIDTH)
    writer.matrix("mm.2", n_embd, 4 * WIDTH)
    return writer.close()


def write_gemma3(file: Path, n_embd: int = N_EMBD) -> Path:
    """Writes Gemma 3's: its GEMMA3_TOKENS tokens look at each other in both directions, so that they are one decode."""
    writer = _Writer(file, 24)
    writer.gguf.add_string("clip.projector_type", "gemma3")
    writer.picture(GEMMA3_SIZE)
    writer.sizes("vision", n_embd)
    writer.gguf.add_uint32("clip.vision.projector.scale_factor", 2)
    writer.tensor("v.patch_embd.weight", WIDTH, 3, PATCH, PATCH, scale=0.05)
    writer.tensor("v.patch_embd.bias", WIDTH)
    writer.tensor("v.position_embd.weight", (GEMMA3_SIZE // PATCH) ** 2, WIDTH)
    writer.norm("v.post_ln")
    writer.blocks("v")
    writer.tensor("mm.input_projection.weight", WIDTH, n_embd)
    writer.norm("mm.soft_emb_norm", bias=False)
    return writer.close()


def write_ultravox(file: Path, n_embd: int = N_EMBD) -> Path:
    """Writes Whisper's encoder and Ultravox's projector: half a minute of sound is SOUND_TOKENS."""
    writer = _Writer(file, 23)
    writer.gguf.add_string("clip.projector_type", "ultravox")
    writer.gguf.add_bool("clip.has_audio_encoder", True)
    writer.sizes("audio", n_embd)
    writer.gguf.add_uint32("clip.audio.num_mel_bins", N_MEL)
    writer.gguf.add_uint32("clip.audio.projector.stack_factor", STACK)
    writer.tensor("a.conv1d.1.weight", WIDTH, N_MEL, 3, scale=0.1, half=True)
    writer.tensor("a.conv1d.1.bias", WIDTH, 1)
    writer.tensor("a.conv1d.2.weight", WIDTH, WIDTH, 3, scale=0.1, half=True)
    writer.tensor("a.conv1d.2.bias", WIDTH, 1)
    writer.tensor("a.position_embd.weight", 1500, WIDTH)
    writer.norm("a.post_ln")
    writer.blocks("a")
    writer.norm("mm.a.norm_pre", STACK * WIDTH, bias=False)
    writer.matrix("mm.a.mlp.1", 2 * WIDTH, STACK * WIDTH, bias=False)
    writer.norm("mm.a.norm_mid", WIDTH, bias=False)
    writer.matrix("mm.a.mlp.2", n_embd, WIDTH, bias=False)
    return writer.close()


def write_qwen2vl_text(file: Path) -> Path:
    """Writes the text model that goes with `write_qwen2vl`."""
    zeros = np.zeros(N_EMBD, np.float32)
    names = (f"blk.{layer}.attn_{part}.bias" for layer in range(2) for part in "qkv")
    extra: dict[str, str | int | float | list[int]] = {"qwen2vl.rope.dimension_sections": [*SECTIONS]}
    return write_decoder(file, "qwen2vl", extra=extra, biases=dict.fromkeys(names, zeros))
