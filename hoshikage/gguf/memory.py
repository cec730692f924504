"""Estimates how much memory a model will need, as far as its header says. Any thread; pure.

Weights: the file's size, for they are mapped or read as they are. KV cache: exact for plain attention, and for sliding
windows where the architecture tells which layers have one (releases from b6122 on; older ones keep the whole text, and
with KV_REUSE=prefix all do that cannot copy a window's state apart); an upper bound for other models with windows. What
checkpoints of a text's state take comes on top: CHECKPOINT_MEMORY at most. Compute: the runner process itself,
and what the library reserves for the logits of one batch, of which a CPU touches little; with long contexts, libraries
without flash attention need more. A model that embeds and has no logits takes all of that with releases after b8390,
and more for a text longer than N_BATCH, until that one is embedded.

Measured as resident memory on a CPU, with n_ctx 4096 and 152,000 tokens: a model of 323 MiB, estimated at 696 MiB,
took 433 MiB after a short prompt, and after one that filled the context 460 MiB (v0.5.0) to 597 MiB (b6301). The
built-in model, estimated at 53 MiB, took 51. multilingual-e5-small in four bits (70 MiB, 250,037 tokens), estimated at
739 MiB, took 678 at most for a text of 439 tokens (v0.5.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hoshikage.architectures import WINDOW_PERIODS
from hoshikage.frozen import Frozen
from hoshikage.gguf.header import GgufHeader

VALUE_BYTES: Final = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""One value in the KV memory takes this many bytes, by its type."""
LARGEST_UBATCH: Final = 512
"""The number is that of llama.context.LARGEST_UBATCH: so many tokens are kept beside a window."""
F32_BYTES: Final = 4
N_CTX_STEP: Final = 256
"""Newer libraries round the context up to a multiple of it."""
MAX_LAYERS: Final = 65_536
RUNNER_BYTES: Final = 48 * 2**20
VOCABULARY_BYTES: Final = {"t5": 512}
"""One token takes this many bytes by the vocabulary's kind, for a tree over all pieces. The others' are small beside
what is counted."""
ACTIVATIONS: Final = 2
"""A batch's token needs so many rows of n_embd beside its logits. A rough figure."""


class KvSettings(Frozen, frozen=True):
    """The KV memory is made like this; the names are those of params.LoadParams."""

    type_k: str = "f16"
    type_v: str = "f16"
    n_parallel: int = 1
    kv_reuse: str = "off"
    checkpoint_memory: int = 0
    """`checkpoint_memory` is in MiB."""

    @classmethod
    def of(cls, params: object) -> KvSettings:
        """Returns the settings that `params` has, a LoadParams."""
        return cls(*(getattr(params, name) for name in cls.__struct_fields__))


CHECKPOINTS: Final = 4
"""This many copies of a window's state must fit, or the window keeps the whole text where prefixes are kept."""
MIB: Final = 2**20
USUAL: Final = KvSettings()


class MemoryEstimate(Frozen, frozen=True):
    """A MemoryEstimate is how many bytes a model takes, by what they are for."""

    n_ctx: int
    """`n_ctx` is the context that would be made, in tokens."""
    weights: int
    kv_cache: int
    compute: int
    """`compute` is a rough figure."""
    draft: int = 0
    """`draft` is all that the draft model needs."""
    projector: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.compute + self.draft + self.projector


def estimate(
    header: GgufHeader,
    n_ctx: int,
    n_batch: int,
    draft: GgufHeader | None = None,
    kv: KvSettings = USUAL,
    projector: int = 0,
) -> MemoryEstimate:
    """Returns the memory needed for a context of `n_ctx` tokens and batches of `n_batch`. The draft model has a context
    of its own, as long; of a projector, its file's bytes are counted."""
    return MemoryEstimate(
        n_ctx=n_ctx,
        weights=header.size_bytes,
        kv_cache=_kv_bytes(header, n_ctx, n_batch, kv),
        compute=RUNNER_BYTES + _vocabulary_bytes(header) + _batch_bytes(header, n_batch),
        projector=projector,
        draft=0
        if draft is None
        else draft.size_bytes + _kv_bytes(draft, n_ctx, n_batch, kv) + _batch_bytes(draft, n_batch),
    )


def _vocabulary_bytes(header: GgufHeader) -> int:
    kind = header.values.get("tokenizer.ggml.model")
    return header.n_vocab * VOCABULARY_BYTES.get(kind, 0) if isinstance(kind, str) else 0


def _batch_bytes(header: GgufHeader, n_batch: int) -> int:
    return n_batch * (header.n_vocab + ACTIVATIONS * _number(header, "embedding_length")) * F32_BYTES


def _kv_bytes(header: GgufHeader, n_ctx: int, n_batch: int, kv: KvSettings) -> int:
    """Returns the bytes of all layers' cells: those of the whole text, or of a window with what a batch puts beside
    it."""
    window = _number(header, "attention.sliding_window")
    whole = _stepped(n_ctx)
    narrow = whole
    if window and not keeps_windows(header, kv):
        narrow = min(whole, _stepped(window * kv.n_parallel + min(n_batch, LARGEST_UBATCH)))
    return round(sum((narrow if in_window else whole) * size for size, in_window in _cell_bytes(header, kv)))


def keeps_windows(header: GgufHeader, kv: KvSettings) -> bool:
    """Returns whether layers with a window keep the whole text all the same, so that a prompt can go on from any place
    of an earlier one: where prefixes are kept, and too few states of the windows would fit to go on from those."""
    window = _number(header, "attention.sliding_window")
    state = sum(window * size for size, in_window in _cell_bytes(header, kv) if in_window)
    return kv.kv_reuse == "prefix" and CHECKPOINTS * state > kv.checkpoint_memory * MIB


def _cell_bytes(header: GgufHeader, kv: KvSettings) -> Iterator[tuple[float, bool]]:
    """Yields what one token takes in each layer, and whether the layer has a window."""
    period = WINDOW_PERIODS.get(header.architecture, 1)
    for layer, (keys, values) in enumerate(_kv_values(header)):
        size = keys * VALUE_BYTES[kv.type_k] + values * VALUE_BYTES[kv.type_v]
        yield size, layer % period < period - 1


def _stepped(n_ctx: int) -> int:
    return -(-n_ctx // N_CTX_STEP) * N_CTX_STEP


def _kv_values(header: GgufHeader) -> list[tuple[int, int]]:
    """Lists the keys and values that one token leaves in each layer."""
    n_layers, n_embd = min(_number(header, "block_count"), MAX_LAYERS), _number(header, "embedding_length")
    heads = _per_layer(header, "attention.head_count", n_layers, 0)
    kv_heads = _per_layer(header, "attention.head_count_kv", n_layers, None) or heads
    result = []
    for n_head, n_head_kv in zip(heads, kv_heads, strict=True):
        usual = n_embd // n_head if n_head else 0
        key = _number(header, "attention.key_length", usual)
        value = _number(header, "attention.value_length", usual)
        result.append((n_head_kv * key, n_head_kv * value))
    return result


def _per_layer(header: GgufHeader, name: str, n_layers: int, default: int | None) -> list[int]:
    """Lists one number for each layer, from an array or from one number for all. Empty where there is neither nor
    default."""
    numbers = header.arrays.get(f"{header.architecture}.{name}")
    if numbers is not None:
        return [max(0, number) for number in numbers[:n_layers]] + [0] * (n_layers - len(numbers))
    number = header.values.get(f"{header.architecture}.{name}", default)
    return [max(0, number)] * n_layers if type(number) is int else []


def _number(header: GgufHeader, name: str, default: int = 0) -> int:
    number = header.values.get(f"{header.architecture}.{name}", default)
    return number if type(number) is int and 0 <= number < 2**32 else default
