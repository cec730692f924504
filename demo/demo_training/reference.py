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
    """Greedy ids up to and including the end token, and the smallest gap between best and second-best logit."""

    ids: tuple[int, ...]
    margin: float


class Reference:
    """The model in a GGUF file, run in float32."""

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
        """Each prompt's answer at temperature 0. The batch is padded on the left; padding is never attended to."""
        end = self.tokenizer.vocabulary.end_id
        longest = max(map(len, prompts))
        ids = np.array([[0] * (longest - len(p)) + list(p) for p in prompts])
        pads = np.array([longest - len(p) for p in prompts])
        cache: list[tuple[Array, Array]] = []
        out: list[list[int]] = [[] for _ in prompts]
        margins = [float("inf")] * len(prompts)
        for _ in range(limit):
            logits = self._forward(ids, pads, cache)
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

    def _forward(self, ids: NDArray[np.int64], pads: NDArray[np.int64], cache: list[tuple[Array, Array]]) -> Array:
        """Logits after the last token; `cache` holds each layer's keys and values and grows."""
        weights = self._weights
        done = cache[0][0].shape[1] if cache else 0
        count = ids.shape[1]
        places = np.arange(done, done + count)
        x = weights["token_embd.weight"][ids]
        hidden = places[:, None] < np.arange(done + count)[None, :]
        mask = hidden[None] | (np.arange(done + count)[None, None, :] < pads[:, None, None])
        turns = (places[None, :] - pads[:, None])[..., None] * self._rates
        cos, sin = np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)
        for layer in range(self._layers):
            x = x + self._attention(f"blk.{layer}", x, mask, cos, sin, layer, cache)
            y = self._norm(x, f"blk.{layer}.ffn_norm.weight")
            gate = y @ weights[f"blk.{layer}.ffn_gate.weight"].T
            up = y @ weights[f"blk.{layer}.ffn_up.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"blk.{layer}.ffn_down.weight"].T
        last = self._norm(x[:, -1], "output_norm.weight")
        return np.asarray(last @ weights.get("output.weight", weights["token_embd.weight"]).T, dtype=np.float32)

    def _norm(self, x: Array, name: str) -> Array:
        scale = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self._eps)
        return np.asarray(x / scale * self._weights[name], dtype=np.float32)

    def _attention(self, name: str, x: Array, mask: NDArray[np.bool_], cos: Array, sin: Array, layer: int,
                   cache: list[tuple[Array, Array]]) -> Array:
        batch, count, _ = x.shape
        y = self._norm(x, f"{name}.attn_norm.weight")
        q = (y @ self._weights[f"{name}.attn_q.weight"].T).reshape(batch, count, self._heads, self._width)
        k = (y @ self._weights[f"{name}.attn_k.weight"].T).reshape(batch, count, self._kv_heads, self._width)
        v = (y @ self._weights[f"{name}.attn_v.weight"].T).reshape(batch, count, self._kv_heads, self._width)
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        if layer < len(cache):
            k, v = np.concatenate((cache[layer][0], k), 1), np.concatenate((cache[layer][1], v), 1)
            cache[layer] = (k, v)
        else:
            cache.append((k, v))
        share = self._heads // self._kv_heads
        keys, values = np.repeat(k, share, 2).transpose(0, 2, 3, 1), np.repeat(v, share, 2).transpose(0, 2, 1, 3)
        scores = q.transpose(0, 2, 1, 3) @ keys / np.float32(self._width ** 0.5)
        scores = np.where(mask[:, None], np.float32(-1e30), scores)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ values
        joined = mixed.transpose(0, 2, 1, 3).reshape(batch, count, -1)
        return np.asarray(joined @ self._weights[f"{name}.attn_output.weight"].T, dtype=np.float32)


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    """RoPE over neighbouring pairs, as llama.cpp does for this architecture."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos[:, :, None], sin[:, :, None]
    return np.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(x.shape)
