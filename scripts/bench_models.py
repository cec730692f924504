"""Makes the models to measure with: the built-in one, and random weights in the shapes of real ones. Main thread.

Random weights answer nonsense, but they cost what real ones of their shape cost: the tensors, the Q8_0 blocks and a
vocabulary of Qwen2's size with its merges are all there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Final

import gguf
import numpy as np

N_VOCAB: Final = 151_936
CONTROL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BLOCK: Final = 32
BLOCK_BYTES: Final = {"Q8_0": 34, "Q4_0": 18}
"""A block has one 16-bit scale, and 32 signed bytes or half bytes."""
DEVIATION: Final = {"Q8_0": 73.0, "Q4_0": 4.6}
"""Uniform whole numbers within 127, and from -8 to 7, have these deviations."""
SEED: Final = 20_260_101


@dataclass(frozen=True, slots=True)
class Shape:
    """This is a Qwen2-architecture model, its output tied to its embeddings; or one of another, which says what it
    has."""

    architecture: ClassVar[str] = "qwen2"

    name: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    n_ff: int
    n_ctx: int = 8192
    quantized: str = "Q8_0"
    chain: bool = False
    """`chain` tells whether each token is followed by `follower` of it, whatever stands before."""

    def describe(self, writer: Any) -> None:
        """Adds the metadata that the architecture has besides."""
        writer.add_head_count_kv(self.n_head_kv)

    @property
    def n_embd_kv(self) -> int:
        return self.n_embd // self.n_head * self.n_head_kv

    def matrices(self) -> Iterator[tuple[str, int, int]]:
        """Yields name, rows and columns of each quantised tensor."""
        yield "token_embd.weight", N_VOCAB, self.n_embd
        if self.chain:
            yield "output.weight", N_VOCAB, self.n_embd
        for layer in range(self.n_layer):
            at = f"blk.{layer}"
            yield f"{at}.attn_q.weight", self.n_embd, self.n_embd
            yield f"{at}.attn_k.weight", self.n_embd_kv, self.n_embd
            yield f"{at}.attn_v.weight", self.n_embd_kv, self.n_embd
            yield f"{at}.attn_output.weight", self.n_embd, self.n_embd
            yield f"{at}.ffn_gate.weight", self.n_ff, self.n_embd
            yield f"{at}.ffn_up.weight", self.n_ff, self.n_embd
            yield f"{at}.ffn_down.weight", self.n_embd, self.n_ff

    def vectors(self) -> Iterator[tuple[str, tuple[int, ...], float]]:
        """Yields name, shape and value of each tensor that stays in 32 bits."""
        yield "output_norm.weight", (self.n_embd,), CERTAIN if self.chain else 1.0
        for layer in range(self.n_layer):
            at = f"blk.{layer}"
            yield f"{at}.attn_norm.weight", (self.n_embd,), 1.0
            yield f"{at}.ffn_norm.weight", (self.n_embd,), 1.0
            yield f"{at}.attn_q.bias", (self.n_embd,), 0.0
            yield f"{at}.attn_k.bias", (self.n_embd_kv,), 0.0
            yield f"{at}.attn_v.bias", (self.n_embd_kv,), 0.0

    @property
    def n_params(self) -> int:
        return sum(rows * columns for _, rows, columns in self.matrices()) + sum(
            prod(shape) for _, shape, _ in self.vectors()
        )


SHAPES: Final = {
    shape.name: shape
    for shape in (
        Shape("tiny", n_layer=4, n_embd=64, n_head=4, n_head_kv=2, n_ff=256),
        Shape("small", n_layer=24, n_embd=896, n_head=14, n_head_kv=2, n_ff=4864),
        Shape("mid", n_layer=28, n_embd=1536, n_head=12, n_head_kv=2, n_ff=8960, quantized="Q4_0"),
        Shape("chain", n_layer=24, n_embd=896, n_head=14, n_head_kv=2, n_ff=4864, chain=True),
        Shape("chain-draft", n_layer=4, n_embd=64, n_head=4, n_head_kv=2, n_ff=256, chain=True),
    )
}
CERTAIN: Final = 6.0
"""Widens the logits of a chain, so that a narrow one is as sure of its next token as a wide one."""
CYCLE: Final = range(300, 364)
"""These tokens of a chain follow each other in a small circle; those above go round in one of 150,000."""


def follower(token: int) -> int:
    """Returns what comes after this token in the text of a chain model."""
    for circle in (range(CYCLE.start), CYCLE, range(CYCLE.stop, N_VOCAB - len(CONTROL))):
        if token in circle:
            return token + 1 if token + 1 in circle else circle.start
    return token


def write(shape: Shape, folder: Path) -> Path:
    """Returns the model's file in `folder`, written if it is not there yet."""
    file = folder / f"{shape.name}-{shape.quantized.lower()}.gguf"
    if file.is_file():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".part-{os.getpid()}")
    try:
        _write(shape, part)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def _write(shape: Shape, file: Path) -> None:
    writer: Any = gguf.GGUFWriter(file, shape.architecture)
    writer.add_name(f"random {shape.name}")
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{shape.quantized}"])
    writer.add_block_count(shape.n_layer)
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    shape.describe(writer)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    _add_vocabulary(writer)
    kind = gguf.GGMLQuantizationType[shape.quantized]
    for name, rows, columns in shape.matrices():
        stored = (rows, columns // BLOCK * BLOCK_BYTES[shape.quantized])
        writer.add_tensor_info(name, stored, np.dtype(np.uint8), stored[0] * stored[1], kind)
    for name, sizes, _ in shape.vectors():
        writer.add_tensor_info(name, sizes, np.dtype(np.float32), 4 * prod(sizes))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(SEED)
    followed = np.array(sorted(range(N_VOCAB), key=follower))  # row -> the token that it follows
    embeddings: np.ndarray[Any, Any] | None = None
    for name, rows, columns in shape.matrices():
        blocks = _blocks(random, rows, columns, shape.quantized, unused=len(CONTROL) if "token_embd" in name else 0)
        if shape.chain and name.endswith(("attn_output.weight", "ffn_down.weight")):
            _silence(blocks, shape.quantized)  # the layers cost what they cost and add nothing
        if name == "token_embd.weight":
            embeddings = blocks
        elif name == "output.weight":
            assert embeddings is not None
            blocks = embeddings[followed]
        writer.write_tensor_data(blocks)
    for _, sizes, value in shape.vectors():
        writer.write_tensor_data(np.full(sizes, value, np.float32))
    writer.close()


def _blocks(random: np.random.Generator, rows: int, columns: int, quantized: str, unused: int) -> np.ndarray[Any, Any]:
    """Makes blocks of values with a deviation of about 1 / sqrt(columns), as trained layers have.

    The last `unused` rows are zero: in the embeddings they are the control tokens, whose logits then never win, so
    that no answer ends before its time.
    """
    width = BLOCK_BYTES[quantized]
    blocks = np.empty((rows * columns // BLOCK, width), np.uint8)
    scale = np.float16(1.0 / (np.sqrt(columns) * DEVIATION[quantized]))
    blocks[:, :2] = np.frombuffer(scale.tobytes(), np.uint8)
    minimum = -127 if quantized == "Q8_0" else -128
    blocks[:, 2:] = random.integers(minimum, 128, (len(blocks), width - 2), np.int8).view(np.uint8)
    if unused:
        _silence(blocks[-unused * columns // BLOCK :], quantized)
    return blocks.reshape(rows, columns // BLOCK * width)


def _silence(blocks: np.ndarray[Any, Any], quantized: str) -> None:
    """Makes all values 0: by their scales."""
    blocks.reshape(-1, BLOCK_BYTES[quantized])[:, :2] = 0


def _add_vocabulary(writer: Any) -> None:
    """Adds a byte-level BPE of Qwen2's size: 256 bytes, then pairs and triples of printable characters, each by a
    merge."""
    characters = [_byte_character(byte) for byte in range(256)]
    printable = [_byte_character(byte) for byte in range(0x20, 0x7F)]
    pairs = [(left, right) for left, right in product(printable, printable)]
    room = N_VOCAB - len(CONTROL) - len(characters) - len(pairs)
    triples = list(islice(((left + middle, right) for left, middle, right in product(printable, repeat=3)), room))
    tokens = [*characters, *(left + right for left, right in pairs + triples), *CONTROL]
    types = [gguf.TokenType.NORMAL] * (N_VOCAB - len(CONTROL)) + [gguf.TokenType.CONTROL] * len(CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([f"{left} {right}" for left, right in pairs + triples])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)


def _byte_character(byte: int) -> str:
    """Returns GPT-2's printable stand-in for a byte: itself where it is printable, else one from U+0100 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    if byte in shown:
        return chr(byte)
    hidden = [other for other in range(256) if other not in shown]
    return chr(0x100 + hidden.index(byte))
