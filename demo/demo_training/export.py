"""Owns the GGUF file that is written: metadata, vocabulary, chat template, Q8_0 weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize
from numpy.typing import NDArray

from demo_training.network import Shape
from demo_training.tokens import CONTROLS, END_OF_TEXT, Vocabulary

CONTEXT_LENGTH = 1024
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_model(
    path: Path, shape: Shape, vocabulary: Vocabulary, weights: Iterable[tuple[str, NDArray[np.float32]]]
) -> None:
    """Writes the file: matrices as Q8_0, norms as F32."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    _add_shape(writer, shape)
    _add_vocabulary(writer, vocabulary)
    for name, weight in weights:
        if weight.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, quantize(weight, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, weight.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("Hoshikage Tiny")
    writer.add_basename("hoshikage-tiny")
    writer.add_author("Tane Channel Technology")
    writer.add_organization("Tane Channel Technology")
    writer.add_description("Hoshikage's built-in chat model: answers in Japanese and English what Hoshikage is.")
    writer.add_license("MIT")
    writer.add_languages(["ja", "en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocab)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types([control if token in CONTROLS else normal for token in vocabulary.tokens])
    writer.add_token_merges([" ".join(pair) for pair in vocabulary.merges])
    text_end = vocabulary.tokens.index(END_OF_TEXT)
    writer.add_bos_token_id(text_end)
    writer.add_eos_token_id(vocabulary.end_id)
    writer.add_pad_token_id(text_end)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
