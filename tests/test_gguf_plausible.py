"""What the library would end its process for is refused by the header, and no shape of a sound model is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hoshikage import gguf
from hoshikage.errors import GgufInvalid
from hoshikage.gguf.plausible import MAX_LAYERS, of_tensors, of_values, of_vocabulary
from hoshikage.messages import LANGUAGES, text
from tests import small_models
from tests.gguf_files import ARRAY, F32, I32, STRING, TENSORS, TOKENS, U32, Gguf

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")
BYTES = (ARRAY, (I32, [6] * len(TOKENS)))


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("llama.block_count", U32, 0),
        ("llama.block_count", U32, MAX_LAYERS + 1),
        *(("llama.attention.layer_norm_rms_epsilon", F32, value) for value in (0.0, -1.0, INFINITE, NOT_A_NUMBER)),
        ("llama.attention.layer_norm_epsilon", F32, -1e-6),
        ("llama.attention.group_norm_epsilon", F32, NOT_A_NUMBER),
        ("tokenizer.ggml.model", STRING, "none"),
        ("tokenizer.ggml.model", STRING, "no_vocab"),
        ("tokenizer.ggml.model", STRING, "bert"),
    ],
)
def test_a_number_that_would_end_the_library_is_named(key: str, kind: int, value: Any, tmp_path: Path) -> None:
    error = refusal(Gguf().with_pair(key, kind, value), tmp_path)
    shown = "tokenizer.ggml.bos_token_id" if value == "bert" else key
    assert error.details["name"] == shown
    for language in LANGUAGES:
        assert shown in text(language, error.key, **error.details)


@pytest.mark.parametrize(("kind", "value"), [(I32, 1), (F32, 1.0), (STRING, "1"), (ARRAY, (U32, [1]))])
def test_a_file_type_that_is_no_u32(kind: int, value: Any, tmp_path: Path) -> None:
    with pytest.raises(GgufInvalid) as caught:
        gguf.read(Gguf().with_pair("general.file_type", kind, value).write(tmp_path / "bad.gguf"))
    assert (caught.value.key, caught.value.details["name"]) == ("model.gguf_value_type", "general.file_type")


@pytest.mark.parametrize("kind", ["bert", "gpt2", "rwkv"])
def test_bytes_in_a_vocabulary_that_has_none(kind: str, tmp_path: Path) -> None:
    model = Gguf().with_pair("tokenizer.ggml.token_type", *BYTES)
    assert gguf.read(model.with_pair("tokenizer.ggml.model", STRING, "llama").write(tmp_path / "good.gguf"))
    error = refusal(model.with_pair("tokenizer.ggml.model", STRING, kind), tmp_path)
    assert "BYTE" in str(error.details["wanted"])


@pytest.mark.parametrize("name", ["output_norm.weight", "blk.0.attn_norm.bias", "blk.0.ffn_up.bias"])
def test_a_norm_or_bias_of_a_type_that_is_not_added(name: str, tmp_path: Path) -> None:
    for kind, sound in ((0, True), (1, False), (30, False), (8, False), (26, False)):
        tensors = (*TENSORS[:1], (name, (32,), kind, 320))
        model = Gguf(tensors=tensors)
        if sound:
            assert gguf.read(model.write(tmp_path / "good.gguf"))
        else:
            assert refusal(model, tmp_path).details["name"] == name


def test_a_matrix_of_a_type_that_is_not_multiplied() -> None:
    assert [fault.name for fault in of_tensors([("blk.0.ffn_up.weight", "I32", 2), ("a.weight", "Q8_K", 2)])] == [
        "blk.0.ffn_up.weight",
        "a.weight",
    ]
    sound = [("blk.0.ffn_gate_tid2eid.weight", "I32", 2), ("blk.0.ffn_up_exps.weight", "MXFP4", 3), ("ids", "I32", 1)]
    assert not list(of_tensors(sound))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"attention.head_count": 8, "attention.head_count_kv": 3}, "attention.head_count_kv"),
        ({"attention.head_count": 7, "embedding_length": 64}, "attention.head_count"),
        ({"expert_count": 4, "expert_used_count": 8}, "expert_used_count"),
        ({"expert_count": 4}, "expert_used_count"),
    ],
)
def test_sizes_that_do_not_go_together(values: dict[str, int], name: str) -> None:
    faults = list(of_values({f"x.{key}": value for key, value in values.items()}, "x"))
    assert [fault.name for fault in faults] == [f"x.{name}"]


ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"block_count": 32, "embedding_length": 4096, "attention.head_count": 32, "attention.head_count_kv": 8},
    "llama 405B": {"block_count": 126, "embedding_length": 16384, "attention.head_count": 128},
    "qwen2": {"block_count": 24, "embedding_length": 896, "attention.head_count": 14, "attention.head_count_kv": 2},
    "falcon": {"block_count": 32, "embedding_length": 4544, "attention.head_count": 71, "attention.head_count_kv": 1},
    "gemma3": {
        "embedding_length": 1152,
        "attention.head_count": 4,
        "attention.head_count_kv": 1,
        "attention.key_length": 256,
    },
    "gemma2 with heads that do not divide": {
        "embedding_length": 2304,
        "attention.head_count": 7,
        "attention.key_length": 256,
    },
    "mixtral": {"expert_count": 8, "expert_used_count": 2, "attention.head_count": 32, "attention.head_count_kv": 8},
    "qwen3next": {"expert_count": 512, "expert_used_count": 10, "block_count": 48},
    "deepseek2": {
        "block_count": 61,
        "embedding_length": 7168,
        "attention.head_count": 128,
        "attention.head_count_kv": 1,
        "attention.key_length": 576,
        "attention.layer_norm_rms_epsilon": 1e-6,
    },
    "mamba": {"block_count": 64, "embedding_length": 2560, "attention.head_count": 0, "attention.head_count_kv": 0},
    "rwkv6": {"attention.head_count": 0, "attention.layer_norm_epsilon": 1e-5, "attention.group_norm_epsilon": 64e-5},
    "bert": {"embedding_length": 384, "attention.head_count": 12, "attention.layer_norm_epsilon": 1e-12},
    "without any": {},
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_shapes_of_sound_models_pass(name: str) -> None:
    assert not list(of_values({f"x.{key}": value for key, value in ARCHITECTURES[name].items()}, "x"))


FEW_WORDS: dict[str, int] = {"bos_token_id": 2, "seperator_token_id": 3, "unknown_token_id": 1, "mask_token_id": 4}


@pytest.mark.parametrize(
    ("values", "n_tokens", "has_bytes"),
    [
        ({"model": "llama"}, 32000, True),
        ({"model": "gpt2"}, 151936, False),
        ({"model": "bert"}, 30522, False),
        ({"model": "bert", **FEW_WORDS}, 10, False),
        ({"model": "bert", "unknown_token_id": 2**32 - 1}, 30522, False),
        ({"model": "t5"}, 250002, True),
        ({"model": "gemma4"}, 262144, True),
        ({"model": "rwkv"}, 65536, False),
        ({"model": "gpt2", "bos_token_id": 2**32 - 1}, 1000, False),
        ({}, 0, False),
    ],
)
def test_the_vocabularies_of_sound_models_pass(values: dict[str, Any], n_tokens: int, has_bytes: bool) -> None:
    named = {f"tokenizer.ggml.{key}": value for key, value in values.items()}
    assert not list(of_vocabulary(named, n_tokens, has_bytes=has_bytes))


@pytest.mark.parametrize("token", [None, 10, 2**32 - 1])
@pytest.mark.parametrize("name", FEW_WORDS)
def test_a_small_vocabulary_of_words_has_to_have_its_special_tokens(name: str, token: int | None) -> None:
    named: dict[str, Any] = {"model": "bert", **FEW_WORDS, name: token}
    values = {f"tokenizer.ggml.{key}": value for key, value in named.items() if value is not None}
    assert [fault.name for fault in of_vocabulary(values, 10, has_bytes=False)] == [f"tokenizer.ggml.{name}"]


def test_the_models_of_the_tests_pass(demo_model: Path, tmp_path: Path) -> None:
    small = [small_models.write_llama(tmp_path / "a.gguf"), small_models.write_encoder(tmp_path / "b.gguf", 1)]
    for file in (demo_model, *small):
        assert gguf.read_chat_model(file).n_tensors > 0


def refusal(model: Gguf, folder: Path) -> GgufInvalid:
    with pytest.raises(GgufInvalid) as caught:
        gguf.read(model.write(folder / "bad.gguf"))
    assert caught.value.key == "model.gguf_implausible"
    return caught.value
