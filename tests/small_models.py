"""Tiny models of random weights, for what the built-in model is not: an encoder, a reranker, one that fills gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from tests.engine_models import closed

N_EMBD: Final = 32
N_CTX: Final = 64
WORDS: Final = ("star", "shadow", "night", "day", "cat", "dog")
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
ROBERTA: Final = ("<s>", "<pad>", "</s>", "<unk>")


def write_encoder(file: Path, pooling: int, *, roberta: bool = False, n_ctx: int = N_CTX, more_words: int = 0) -> Path:
    """Writes a BERT of one layer. `pooling` is llama.h's llama_pooling_type; 4 brings a classifier. `roberta`: it has
    the vocabulary of XLM-RoBERTa's kind. `more_words`: so many tokens beside the usual ones."""
    writer: Any = gguf.GGUFWriter(file, "bert")
    random = np.random.default_rng(1)
    words = [*WORDS, *(f"more{number}" for number in range(more_words))]
    tokens = [*(ROBERTA if roberta else SPECIAL), *(f"\u2581{word}" for word in words)]
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(1)
    writer.add_feed_forward_length(2 * N_EMBD)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType(pooling))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("t5" if roberta else "bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * len(words))
    writer.add_token_type_count(2)
    if roberta:
        writer.add_token_scores([0.0] * len(SPECIAL) + [-1.0] * len(words))
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)
        writer.add_add_space_prefix(True)
        writer.add_remove_extra_whitespaces(True)
    bert = {"pad": 0, "unk": 1, "bos": 2, "sep": 3, "mask": 1}
    for name, token in ({"bos": 0, "pad": 1, "eos": 2, "sep": 2, "unk": 3} if roberta else bert).items():
        getattr(writer, f"add_{name}_token_id")(token)

    def matrix(name: str, rows: int, columns: int, *, bias: bool = True) -> None:
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.3, (rows, columns)).astype(np.float32))
        if bias:
            writer.add_tensor(f"{name}.bias", random.normal(0, 0.3, rows).astype(np.float32))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(N_EMBD, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(N_EMBD, np.float32))

    matrix("token_embd", len(tokens), N_EMBD, bias=False)
    matrix("position_embd", n_ctx, N_EMBD, bias=False)
    matrix("token_types", 2, N_EMBD, bias=False)
    norm("token_embd_norm")
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        matrix(f"blk.0.{part}", N_EMBD, N_EMBD)
    norm("blk.0.attn_output_norm")
    matrix("blk.0.ffn_up", 2 * N_EMBD, N_EMBD)
    matrix("blk.0.ffn_down", N_EMBD, 2 * N_EMBD)
    norm("blk.0.layer_output_norm")
    if pooling == gguf.PoolingType.RANK:
        matrix("cls", N_EMBD, N_EMBD)
        matrix("cls.output", 1, N_EMBD)
    return closed(writer, file)


def write_llama(file: Path) -> Path:
    """Writes a llama of two layers with a SentencePiece vocabulary; it writes nonsense."""
    writer: Any = gguf.GGUFWriter(file, "llama")
    random = np.random.default_rng(2)
    heads, key_heads, wide = 4, 2, 3 * N_EMBD
    control = ("<unk>", "<s>", "</s>")
    raw = tuple(f"<0x{byte:02X}>" for byte in range(256))
    tokens = [*control, *raw, "\u2581", *(f"\u2581{word}" for word in WORDS), *"abcdefghijklmnopqrstuvwxyz"]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * len(raw) + [gguf.TokenType.NORMAL] * (len(tokens) - len(raw) - len(control))
    writer.add_context_length(4 * N_CTX)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(2)
    writer.add_feed_forward_length(wide)
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads)
    writer.add_rope_dimension_count(N_EMBD // heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types(kinds)
    for name, token in (("unk", 0), ("bos", 1), ("eos", 2)):
        getattr(writer, f"add_{name}_token_id")(token)
    shapes = {"token_embd": (len(tokens), N_EMBD), "output": (len(tokens), N_EMBD)}
    for layer in range(2):
        block = f"blk.{layer}"
        shapes |= {f"{block}.attn_q": (N_EMBD, N_EMBD), f"{block}.attn_output": (N_EMBD, N_EMBD)}
        shapes |= {f"{block}.attn_{part}": (N_EMBD * key_heads // heads, N_EMBD) for part in "kv"}
        shapes |= {f"{block}.ffn_{part}": (wide, N_EMBD) for part in ("gate", "up")}
        shapes |= {f"{block}.ffn_down": (N_EMBD, wide)}
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{norm}.weight", np.ones(N_EMBD, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(N_EMBD, np.float32))
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.3, shape).astype(np.float32))
    return closed(writer, file)


def with_tokens(source: Path, file: Path, **tokens: str) -> Path:
    """Copies a model so that tokens have a part to play: `fim_pre_token_id="<|endoftext|>"`."""
    reader = gguf.GGUFReader(source)
    vocabulary = reader.fields["tokenizer.ggml.tokens"].contents()
    architecture = str(reader.fields["general.architecture"].contents())
    writer: Any = gguf.GGUFWriter(file, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=sub)
    for name, text in tokens.items():
        writer.add_uint32(f"tokenizer.ggml.{name}", vocabulary.index(text))
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    return closed(writer, file)


def with_gaps(source: Path, file: Path) -> Path:
    """Copies the built-in model so that its control tokens frame gaps."""
    return with_tokens(
        source,
        file,
        fim_pre_token_id="<|endoftext|>",
        fim_suf_token_id="<|im_start|>",
        fim_mid_token_id="<|im_end|>",
    )
