"""Owns the reference: a plain numpy forward of the weights read back from the GGUF, independent of any libllama."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from numpy.typing import NDArray

from demo_training.tokens import Tokenizer, Vocabulary

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answer:
    """These are greedy ids up to and including the end token, and the smallest gap between best and second-best
    logit."""

    ids: tuple[int, ...]
    margin: float


class Memory:
    """These are the keys and values so far, of every layer: (layer, row, place, kv head, width). `pads` are never
    attended to."""

    def __init__(self, layers: int, room: int, kv_heads: int, width: int, pads: NDArray[np.int64]) -> None:
        self.keys = np.zeros((layers, len(pads), room, kv_heads, width), np.float32)
        self.values = np.zeros_like(self.keys)
        self.pads = pads
        self.done = 0


class Reference:
    """This is the model in a GGUF file, run in float32."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        self.meta: dict[str, Any] = {key: field.contents() for key, field in reader.fields.items()}
        self._weights: dict[str, Array] = {
            tensor.name: np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
            for tensor in reader.tensors
        }
        merges = tuple(tuple(line.split(" ")) for line in self.meta["tokenizer.ggml.merges"])
        self.tokenizer = Tokenizer(Vocabulary(tuple(self.meta["tokenizer.ggml.tokens"]), merges))
        self._layers = int(self.meta["llama.block_count"])
        self._heads = int(self.meta["llama.attention.head_count"])
        self._kv_heads = int(self.meta["llama.attention.head_count_kv"])
        self._width = int(self.meta["llama.embedding_length"]) // self._heads
        self._eps = float(self.meta["llama.attention.layer_norm_rms_epsilon"])
        base = float(self.meta["llama.rope.freq_base"])
        self._rates = base ** (-np.arange(0, self._width, 2, dtype=np.float64) / self._width)

    def greedy(self, prompts: Sequence[Sequence[int]], limit: int = 256) -> list[Answer]:
        """Returns each prompt's answer at temperature 0. The batch is padded on the left; padding is never attended
        to."""
        end = self.tokenizer.vocabulary.end_id
        longest = max(map(len, prompts))
        ids = np.array([[0] * (longest - len(p)) + list(p) for p in prompts])
        pads = np.array([longest - len(p) for p in prompts])
        memory = Memory(self._layers, longest + limit, self._kv_heads, self._width, pads)
        out: list[list[int]] = [[] for _ in prompts]
        margins = [float("inf")] * len(prompts)
        for _ in range(limit):
            logits = self._forward(ids, memory)
            best = logits.argmax(-1)
            top = np.partition(logits, -2, axis=-1)[:, -2:]
            for row, token in enumerate(best.tolist()):
                if out[row] and out[row][-1] == end:
                    continue
                out[row].append(token)
                margins[row] = min(margins[row], float(top[row, 1] - top[row, 0]))
            if all(row[-1] == end for row in out):
                break
            ids = best[:, None]
        return [Answer(tuple(row), margin) for row, margin in zip(out, margins, strict=True)]

    def _forward(self, ids: NDArray[np.int64], memory: Memory) -> Array:
        """Returns the logits after the last token of each row; the memory grows by the ids."""
        weights = self._weights
        places = np.arange(memory.done, memory.done + ids.shape[1])
        seen = np.arange(places[-1] + 1)
        mask = (seen > places[:, None])[None] | (seen < memory.pads[:, None, None])
        turns = (places - memory.pads[:, None])[..., None] * self._rates
        cos, sin = np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)
        x = weights["token_embd.weight"][ids]
        for layer in range(self._layers):
            x = x + self._attention(layer, x, mask, cos, sin, memory)
            y = self._norm(x, f"blk.{layer}.ffn_norm.weight")
            gate = y @ weights[f"blk.{layer}.ffn_gate.weight"].T
            up = y @ weights[f"blk.{layer}.ffn_up.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"blk.{layer}.ffn_down.weight"].T
        memory.done += ids.shape[1]
        last = self._norm(x[:, -1], "output_norm.weight")
        return np.asarray(last @ weights.get("output.weight", weights["token_embd.weight"]).T, dtype=np.float32)

    def _norm(self, x: Array, name: str) -> Array:
        scale = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self._eps)
        return np.asarray(x / scale * self._weights[name], dtype=np.float32)

    def _attention(
        self, layer: int, x: Array, mask: NDArray[np.bool_], cos: Array, sin: Array, memory: Memory
    ) -> Array:
        name, (batch, count, _) = f"blk.{layer}", x.shape
        end = memory.done + count
        y = self._norm(x, f"{name}.attn_norm.weight")
        q, k, v = (
            (y @ self._weights[f"{name}.attn_{part}.weight"].T).reshape(batch, count, -1, self._width) for part in "qkv"
        )
        memory.keys[layer, :, memory.done : end] = _rotate(k, cos, sin)
        memory.values[layer, :, memory.done : end] = v
        keys = memory.keys[layer, :, :end].transpose(0, 2, 3, 1)
        values = memory.values[layer, :, :end].transpose(0, 2, 1, 3)
        # query heads that share a key head stand together, one product for them all
        grouped = (batch, self._kv_heads, -1, self._width)
        queries = _rotate(q, cos, sin).transpose(0, 2, 1, 3).reshape(grouped)
        scores = (queries @ keys).reshape(batch, self._heads, count, end) / np.float32(self._width**0.5)
        scores = np.where(mask[:, None], np.float32(-1e30), scores)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = scores.reshape(batch, self._kv_heads, -1, end) @ values
        joined = mixed.reshape(batch, self._heads, count, self._width).transpose(0, 2, 1, 3).reshape(batch, count, -1)
        return np.asarray(joined @ self._weights[f"{name}.attn_output.weight"].T, dtype=np.float32)


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    """Applies RoPE over neighbouring pairs, as llama.cpp does for this architecture."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos[:, :, None], sin[:, :, None]
    return np.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(x.shape)
