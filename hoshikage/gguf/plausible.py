"""Finds numbers of a header with which the library would end its process instead of refusing the file. Pure; any
thread.

Each rule is one of its assertions, or a computation that it has not. What no sound file of any architecture has may
stand here, and nothing else: whether the numbers make a working model is the library's to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from hoshikage.frozen import Frozen

Scalar = int | float | bool | str

MAX_LAYERS: Final = 512
EPSILONS: Final = ("layer_norm_rms_epsilon", "layer_norm_epsilon", "group_norm_epsilon")
ADDED: Final = frozenset({"F32"})
"""What is added or multiplied element by element is of these types: no release computes with others there on a CPU."""
NEVER_MULTIPLIED: Final = frozenset({"I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"})
"""No matrix can be of these types: indices, and what activations become on the way."""
INDICES: Final = ("tid2eid", "2id", "_ids")
"""The names of tensors that are tables of numbers have one of these parts."""
NO_TOKENS: Final = frozenset({"none", "no_vocab"})
WITHOUT_BYTES: Final = frozenset({"bert", "gpt2", "rwkv"})
"""In vocabularies of these kinds no token stands for a byte."""
WORDPIECE: Final = "bert"
FRAME: Final = {"bos_token_id": 101, "seperator_token_id": 102}
"""Maps what a WordPiece vocabulary puts around each text to what it is where the file does not say."""
WORDPIECE_USUAL: Final = {"unknown_token_id": 100, "mask_token_id": 103}
"""A WordPiece vocabulary has further tokens; the library takes these numbers where the file names none that there
is."""
TOKENIZER: Final = "tokenizer.ggml."


class Fault(Frozen, frozen=True):
    """A Fault is a value of a GGUF that no sound model has."""

    name: str
    value: str
    wanted: str
    """`wanted` says what is right, in signs that need no translation: `1 ≤ n ≤ 8`."""


def of_values(values: Mapping[str, Scalar], architecture: str) -> Iterator[Fault]:
    """Yields the faults of the model's own numbers."""
    layers = values.get(f"{architecture}.block_count")
    if isinstance(layers, (int, float)) and not 1 <= layers <= MAX_LAYERS:
        yield Fault(f"{architecture}.block_count", str(layers), f"1 ≤ n ≤ {MAX_LAYERS}")
    for name in EPSILONS:
        key = f"{architecture}.attention.{name}"
        epsilon = values.get(key)
        if isinstance(epsilon, (int, float)) and not (math.isfinite(epsilon) and epsilon > 0):
            yield Fault(key, str(epsilon), "0 < x < ∞")
    yield from _heads(values, architecture)
    experts, used = (values.get(f"{architecture}.expert_{name}", 0) for name in ("count", "used_count"))
    if isinstance(experts, int) and isinstance(used, int) and (used > experts or (experts > 0 and used == 0)):
        yield Fault(f"{architecture}.expert_used_count", str(used), f"1 ≤ n ≤ {experts}")


def _heads(values: Mapping[str, Scalar], architecture: str) -> Iterator[Fault]:
    """Yields the faults of a model whose layers are alike; models without attention say 0."""
    heads, shared = (values.get(f"{architecture}.attention.head_count{name}", 0) for name in ("", "_kv"))
    if not isinstance(heads, int) or heads <= 0:
        return
    if isinstance(shared, int) and shared > 0 and heads % shared:
        yield Fault(f"{architecture}.attention.head_count_kv", str(shared), f"{heads} = k · n")
    length = values.get(f"{architecture}.embedding_length", 0)
    if f"{architecture}.attention.key_length" not in values and isinstance(length, int) and length % heads:
        yield Fault(f"{architecture}.attention.head_count", str(heads), f"{length} = k · n")


def of_vocabulary(values: Mapping[str, Scalar], n_tokens: int, *, has_bytes: bool) -> Iterator[Fault]:
    """Yields the faults of the tokenizer. With `has_bytes` a token is said to stand for a byte."""
    kind = values.get(f"{TOKENIZER}model")
    if kind in NO_TOKENS:
        yield Fault(f"{TOKENIZER}model", str(kind), "llama, gpt2, bert, …")
    if has_bytes and kind in WITHOUT_BYTES:
        yield Fault(f"{TOKENIZER}model", str(kind), f"{TOKENIZER}token_type ≠ 6 (BYTE)")
    if kind == WORDPIECE:
        for name, usual in FRAME.items():
            token = values.get(TOKENIZER + name, usual)
            if not isinstance(token, int) or not 0 <= token < n_tokens:
                yield Fault(TOKENIZER + name, str(token), f"0 ≤ n < {n_tokens}")
        for name, usual in WORDPIECE_USUAL.items():
            token = values.get(TOKENIZER + name, usual)
            if not isinstance(token, int) or not (0 <= token < n_tokens or usual < n_tokens):
                yield Fault(TOKENIZER + name, str(token), f"0 ≤ n < {n_tokens}")


def of_tensors(tensors: Iterable[tuple[str, str, int]]) -> Iterator[Fault]:
    """Yields the faults of (name, type, dimensions)."""
    for name, kind, dimensions in tensors:
        if name.endswith(".bias") or (dimensions == 1 and "norm" in name and name.endswith(".weight")):
            if kind not in ADDED:
                yield Fault(name, kind, ", ".join(sorted(ADDED)))
        elif dimensions > 1 and name.endswith(".weight") and kind in NEVER_MULTIPLIED and not _is_table(name):
            yield Fault(name, kind, "F32, F16, Q4_K, …")


def _is_table(name: str) -> bool:
    return any(part in name for part in INDICES)
