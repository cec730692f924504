"""Writes small GGUF files byte by byte, also such as no writer would write. Pure functions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_LAYOUTS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}

Pair = tuple[str | bytes, int, Any]
"""A pair is key, type and value; the value of an array is (element type, elements)."""
Tensor = tuple[str, Sequence[int], int, int]
"""A tensor is name, dimensions, type, offset."""

TOKENS = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "a", "b", "星", "影")
PAIRS: tuple[Pair, ...] = (
    ("general.architecture", STRING, "llama"),
    ("general.name", STRING, "星影 test"),
    ("general.file_type", U32, 7),
    ("llama.context_length", U32, 512),
    ("llama.rope.freq_base", F32, 10000.0),
    ("tokenizer.ggml.add_bos_token", BOOL, 1),
    ("tokenizer.ggml.tokens", ARRAY, (STRING, TOKENS)),
    ("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * len(TOKENS))),
    ("tokenizer.ggml.token_type", ARRAY, (I32, [1] * len(TOKENS))),
    ("tokenizer.chat_template", STRING, "{% for m in messages %}{{ m.content }}{% endfor %}"),
)
TENSORS: tuple[Tensor, ...] = (("token_embd.weight", (32, 9), 8, 0), ("output_norm.weight", (32,), 0, 320))


@dataclass(frozen=True)
class Gguf:
    """This is one file to be; the defaults are a valid one."""

    magic: bytes = b"GGUF"
    version: int = 3
    pairs: Sequence[Pair] = PAIRS
    tensors: Sequence[Tensor] = TENSORS
    n_pairs: int | None = None
    """`n_pairs` is as the header claims; None is the truth."""
    n_tensors: int | None = None
    alignment: int = 32
    data: bytes = field(default=bytes(448))

    def with_pair(self, key: str, kind: int, value: Any) -> Gguf:
        """Returns the same with this pair instead of one of its key, else at the end."""
        kept = [pair for pair in self.pairs if pair[0] != key]
        return replace(self, pairs=[*kept, (key, kind, value)])

    def without(self, key: str) -> Gguf:
        return replace(self, pairs=[pair for pair in self.pairs if pair[0] != key])

    def head(self) -> bytes:
        counts = (
            len(self.tensors) if self.n_tensors is None else self.n_tensors,
            len(self.pairs) if self.n_pairs is None else self.n_pairs,
        )
        parts = [self.magic, struct.pack("<IQQ", self.version, *counts)]
        for key, kind, value in self.pairs:
            parts += [string(key), struct.pack("<I", kind), encoded(kind, value)]
        for name, dimensions, kind, offset in self.tensors:
            parts += [string(name), struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)]
            parts.append(struct.pack("<IQ", kind, offset))
        return b"".join(parts)

    def content(self) -> bytes:
        head = self.head()
        return head + bytes(-len(head) % self.alignment) + self.data

    def write(self, file: Path) -> Path:
        file.write_bytes(self.content())
        return file


def string(words: str | bytes) -> bytes:
    raw = words.encode() if isinstance(words, str) else words
    return struct.pack("<Q", len(raw)) + raw


def encoded(kind: int, value: Any) -> bytes:
    """Encodes a value as it lies in the file. Bytes stand for themselves."""
    if isinstance(value, bytes):
        return value
    if kind == STRING:
        return string(value)
    if kind == ARRAY:
        inner, elements = value
        return struct.pack("<IQ", inner, len(elements)) + b"".join(encoded(inner, one) for one in elements)
    return struct.pack(f"<{_LAYOUTS[kind]}", value)
