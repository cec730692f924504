"""Damages a GGUF file by a seed: its bytes, and the values, types, counts and shapes in its header. Pure.

Nothing that was damaged is kept anywhere: a seed makes it again.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY, FLOATS = 8, 9, {6: "<f", 12: "<d"}
INTEGERS: Final = (0, 1, 2, 3, 5, 7, 31, 127, 255, 256, 511, 4095, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63)
NUMBERS: Final = (0.0, -1.0, 1e-45, 1e-30, -1e-6, 1.0, 1e6, 1e38, float("inf"), float("-inf"), float("nan"))
WORDS: Final = (
    b"llama", b"gpt2", b"bert", b"t5", b"rwkv", b"none", b"no_vocab", b"plamo2", b"gemma2", b"gemma3", b"qwen2",
    b"phi3", b"mamba", b"deepseek2", b"nomic-bert", b"starcoder2", b"falcon", b"stablelm", b"qwen2moe", b"default", b"",
)  # fmt: skip
TENSOR_TYPES: Final = (*range(4), *range(6, 31), 34, 35, 39)


@dataclass(slots=True)
class Pair:
    """`value` is what stands in the file behind the type, with the array's own head where it is one."""

    key: bytes
    kind: int
    value: bytes


@dataclass(slots=True)
class Tensor:
    """This is a row of the list of tensors in a GGUF."""

    name: bytes
    shape: list[int]
    kind: int
    offset: int


@dataclass(slots=True)
class Parts:
    """This is a file taken to pieces that can be put together again."""

    version: int
    pairs: list[Pair] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    data: bytes = b""

    @classmethod
    def of(cls, content: bytes) -> Parts:
        """Takes a file that is sound to pieces."""
        at = 24
        version, n_tensors, n_pairs = struct.unpack_from("<IQQ", content, 4)
        parts = cls(version)
        for _ in range(n_pairs):
            key, at = _string(content, at)
            kind = struct.unpack_from("<I", content, at)[0]
            end = _end(content, at + 4, kind)
            parts.pairs.append(Pair(key, kind, content[at + 4 : end]))
            at = end
        for _ in range(n_tensors):
            name, at = _string(content, at)
            count = struct.unpack_from("<I", content, at)[0]
            shape = list(struct.unpack_from(f"<{count}Q", content, at + 4))
            kind, offset = struct.unpack_from("<IQ", content, at + 4 + 8 * count)
            parts.tensors.append(Tensor(name, shape, kind, offset))
            at += 16 + 8 * count
        parts.data = content[at + -at % 32 :]
        return parts

    def content(self) -> bytes:
        made = [b"GGUF", struct.pack("<IQQ", self.version, len(self.tensors), len(self.pairs))]
        for pair in self.pairs:
            made += [struct.pack("<Q", len(pair.key)), pair.key, struct.pack("<I", pair.kind), pair.value]
        for tensor in self.tensors:
            made += [struct.pack("<Q", len(tensor.name)), tensor.name]
            made.append(struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape))
            made.append(struct.pack("<IQ", tensor.kind, tensor.offset))
        head = b"".join(made)
        return head + bytes(-len(head) % 32) + self.data


def damaged(content: bytes, seed: int) -> bytes:
    """Returns the file with one to three damages."""
    dice = random.Random(seed)
    parts = Parts.of(content)
    for _ in range(dice.choice((1, 1, 1, 1, 2, 3))):
        dice.choice(DAMAGES)(parts, dice)
    made = bytearray(parts.content())
    if dice.random() < 0.25:
        for _ in range(dice.choice((1, 1, 2, 8))):
            limit = len(made) - len(parts.data) if dice.random() < 0.9 else len(made)
            made[dice.randrange(limit)] ^= 1 << dice.randrange(8)
    return bytes(made)


def _scalar(parts: Parts, dice: random.Random) -> None:
    pair = dice.choice([one for one in parts.pairs if one.kind in SIZES] or [Pair(b"", 0, b"\0")])
    pair.value = _number(pair.kind, pair.value, dice)


def _element(parts: Parts, dice: random.Random) -> None:
    """Damages a number in an array."""
    arrays = [pair for pair in parts.pairs if pair.kind == ARRAY and pair.value[0] in SIZES]
    if not arrays:
        return
    pair = dice.choice(arrays)
    size = SIZES[pair.value[0]]
    count = (len(pair.value) - 12) // size
    if count:
        at = 12 + size * dice.randrange(count)
        number = _number(pair.value[0], pair.value[at : at + size], dice)
        pair.value = pair.value[:at] + number + pair.value[at + size :]


def _count(parts: Parts, dice: random.Random) -> None:
    """Makes an array of numbers shorter or longer."""
    arrays = [pair for pair in parts.pairs if pair.kind == ARRAY and pair.value[0] in SIZES]
    if not arrays:
        return
    pair = dice.choice(arrays)
    size = SIZES[pair.value[0]]
    count = (len(pair.value) - 12) // size
    new = max(0, dice.choice((0, 1, count - 1, count + 1, count // 2, count * 2)))
    numbers = (pair.value[12:] * 2 or bytes(size * max(new, 1)))[: size * new]
    pair.value = pair.value[:4] + struct.pack("<Q", len(numbers) // size) + numbers


def _words(parts: Parts, dice: random.Random) -> None:
    pair = dice.choice([one for one in parts.pairs if one.kind == STRING])
    words = dice.choice(WORDS)
    pair.value = struct.pack("<Q", len(words)) + words


def _kind(parts: Parts, dice: random.Random) -> None:
    """Chooses another type that has the same size, or an array of one."""
    pair = dice.choice(parts.pairs)
    if pair.kind in SIZES:
        pair.kind = dice.choice([kind for kind, size in SIZES.items() if size == SIZES[pair.kind]])
    elif pair.kind == ARRAY and pair.value[0] in SIZES:
        kinds = [kind for kind, size in SIZES.items() if size == SIZES[pair.value[0]]]
        pair.value = bytes([dice.choice(kinds)]) + pair.value[1:]


def _lost(parts: Parts, dice: random.Random) -> None:
    pieces = parts.pairs if dice.random() < 0.7 else parts.tensors
    if pieces:
        del pieces[dice.randrange(len(pieces))]


def _renamed(parts: Parts, dice: random.Random) -> None:
    if dice.random() < 0.5:
        pair = dice.choice(parts.pairs)
        pair.key = _flipped(pair.key, dice)
    else:
        tensor = dice.choice(parts.tensors)
        other = dice.choice(parts.tensors)
        tensor.name = dice.choice((_flipped(tensor.name, dice), other.name))


def _shape(parts: Parts, dice: random.Random) -> None:
    tensor = dice.choice(parts.tensors)
    at = dice.randrange(len(tensor.shape))
    size = tensor.shape[at]
    choice = dice.randrange(6)
    if choice == 0:
        tensor.shape.reverse()
    elif choice == 1:
        tensor.shape.append(1)
    elif choice == 2 and len(tensor.shape) > 1:
        tensor.shape[:2] = [tensor.shape[0] * tensor.shape[1]]
    else:
        tensor.shape[at] = dice.choice((1, 2, max(1, size - 1), size + 1, max(1, size // 2), size * 2, 32))
    del tensor.shape[4:]


def _tensor_kind(parts: Parts, dice: random.Random) -> None:
    dice.choice(parts.tensors).kind = dice.choice(TENSOR_TYPES)


def _norm_kind(parts: Parts, dice: random.Random) -> None:
    """Changes the type of a vector, which is what norms and biases are."""
    vectors = [tensor for tensor in parts.tensors if len(tensor.shape) == 1]
    if vectors:
        dice.choice(vectors).kind = dice.choice(TENSOR_TYPES)


def _offset(parts: Parts, dice: random.Random) -> None:
    tensor = dice.choice(parts.tensors)
    tensor.offset = dice.choice(
        (0, 32, tensor.offset + 1, tensor.offset + 32, dice.choice(parts.tensors).offset, 2**40)
    )


def _cut(parts: Parts, dice: random.Random) -> None:
    parts.data = parts.data[: dice.randrange(len(parts.data) + 1)]


DAMAGES: Final[tuple[Callable[[Parts, random.Random], None], ...]] = (
    _scalar, _scalar, _scalar, _scalar, _scalar, _element, _count, _words, _kind, _lost, _lost, _renamed, _shape,
    _shape, _tensor_kind, _norm_kind, _offset, _cut,
)  # fmt: skip


def _number(kind: int, value: bytes, dice: random.Random) -> bytes:
    if kind in FLOATS:
        return struct.pack(FLOATS[kind], dice.choice(NUMBERS))
    size = SIZES[kind]
    now = int.from_bytes(value, "little")
    new = dice.choice((*INTEGERS, now + 1, now - 1, now * 2, now // 2, now ^ (1 << dice.randrange(8 * size)))) & (
        (1 << 8 * size) - 1
    )
    return (new & 1 if kind == 7 else new).to_bytes(size, "little")


def _flipped(name: bytes, dice: random.Random) -> bytes:
    changed = bytearray(name)
    changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(5)
    return bytes(changed)


def _string(content: bytes, at: int) -> tuple[bytes, int]:
    length = struct.unpack_from("<Q", content, at)[0]
    return content[at + 8 : at + 8 + length], at + 8 + length


def _end(content: bytes, at: int, kind: int) -> int:
    """Returns the place behind a value that begins at `at`."""
    if kind == STRING:
        return _string(content, at)[1]
    if kind != ARRAY:
        return at + SIZES[kind]
    inner, count = struct.unpack_from("<IQ", content, at)
    at += 12
    if inner in SIZES:
        return int(at + SIZES[inner] * count)
    for _ in range(count):
        at = _end(content, at, inner)
    return at
