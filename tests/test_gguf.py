"""Tests the GGUF reader: what it says of sound files, that it refuses every damage by name, and that it never runs
away."""

from __future__ import annotations

import marshal
import os
import random
import struct
import time
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import gguf as reference
import numpy as np
import pytest

from hoshikage import gguf
from hoshikage.errors import GgufInvalid
from hoshikage.gguf import newest, reader
from hoshikage.gguf.types import FILE_TYPES, TENSOR_TYPES
from hoshikage.messages import LANGUAGES, text
from tests.gguf_files import ARRAY, BOOL, F32, I32, STRING, TENSORS, TOKENS, U8, U16, U32, U64, Gguf, encoded, string

MUTATIONS = 2_000
SLOWEST_S = 1.0
VOCABULARY = 150_000
VOCABULARY_TARGET_S = 0.150


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def refusal(file: Path) -> GgufInvalid:
    with pytest.raises(GgufInvalid) as caught:
        gguf.read(file)
    error = caught.value
    for language in LANGUAGES:
        assert file.name in text(language, error.key, **error.details)
    return error


def test_reads_what_a_sound_file_says(file: Path) -> None:
    header = gguf.read(Gguf().write(file))
    assert header.version == 3
    assert header.size_bytes == file.stat().st_size
    assert (header.architecture, header.kind, header.name) == ("llama", "model", "星影 test")
    assert header.n_params == 32 * 9 + 32
    assert header.n_tensors == 2
    assert header.file_type == "Q8_0"
    assert header.context_length == 512
    assert header.n_vocab == len(TOKENS)
    assert header.chat_template is not None
    assert header.chat_template.startswith("{% for")
    assert header.split is None
    assert header.values["tokenizer.ggml.add_bos_token"] is True
    assert header.values["llama.rope.freq_base"] == 10000.0


def test_a_header_is_looked_at_once_while_its_file_stays_as_it_is(file: Path) -> None:
    Gguf().write(file)
    assert gguf.read(file) is not gguf.read(file), "a file may change twice at one time"
    long_ago = time.time() - 3600
    os.utime(file, (long_ago, long_ago))
    before = gguf.read(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newest, "SETTLED_S", 0.0)
        first = gguf.read(file)
        assert gguf.read(file) is first is not before
        os.utime(file, (long_ago, long_ago + 1))
        assert gguf.read(file) is not first
        file.write_bytes(b"GGUF")
        refusal(file)


def test_headers_are_handed_over_while_their_files_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "SETTLED_S", 0.0)
    monkeypatch.setattr(newest, "_newest", {})
    files = [Gguf().write(tmp_path / f"{number}.gguf") for number in range(newest.MAX_KEPT + 1)]
    headers = [gguf.read(one) for one in files]
    rows = newest.kept()
    assert len(rows) == newest.MAX_KEPT
    monkeypatch.setattr(newest, "_newest", {})
    newest.take_over(marshal.loads(marshal.dumps(rows)))
    monkeypatch.setattr(reader, "read", lambda file: pytest.fail(f"{file} was read"))
    for file, header in zip(files[1:], headers[1:], strict=True):
        assert gguf.read(file) == header
    assert gguf.read(files[1]) is gguf.read(files[1])
    monkeypatch.undo()
    files[2].write_bytes(b"GGUF")
    refusal(files[2])
    monkeypatch.setattr(newest, "MAX_BYTES", 10)
    assert newest.kept() == []


def test_tokens_that_may_be_marks_are_known(file: Path) -> None:
    tokens = ["<unk>", "<|tool_call_start|>", "[ARGS]", "<", "<a>b", "[]", "words", "<" + "x" * 100 + ">"]
    made = Gguf().with_pair("tokenizer.ggml.tokens", ARRAY, (STRING, tokens))
    made = made.with_pair("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * len(tokens)))
    made = made.with_pair("tokenizer.ggml.token_type", ARRAY, (I32, [1] * len(tokens)))
    replace(
        made, tensors=[("token_embd.weight", (32, len(tokens)), 8, 0), ("output_norm.weight", (32,), 0, 288)]
    ).write(file)
    assert gguf.read(file).marks == {"<unk>", "<|tool_call_start|>", "[ARGS]"}


def test_what_stands_beside_the_tokens_may_be_more_than_they_are(file: Path) -> None:
    """The library looks up scores and types by token, so that those beyond are never read."""
    n, control, byte = len(TOKENS), 3, 6
    scores = (ARRAY, (F32, [0.0] * (n + 7)))
    types = (ARRAY, (I32, [control, *[1] * (n - 1), control, byte]))
    model = Gguf().with_pair("tokenizer.ggml.scores", *scores).with_pair("tokenizer.ggml.token_type", *types)
    header = gguf.read(model.with_pair("tokenizer.ggml.model", STRING, "gpt2").write(file))
    assert header.controls == (0,)


def test_reads_version_2_and_files_without_the_optional_things(file: Path) -> None:
    bare = Gguf(version=2, pairs=[("general.architecture", STRING, "llama")])
    header = gguf.read(bare.write(file))
    assert (header.name, header.context_length, header.n_vocab, header.chat_template) == ("", 0, 0, None)
    assert header.file_type == "Q8_0", "the type that holds most bytes"


def test_agrees_with_the_reference_writer(file: Path) -> None:
    writer = reference.GGUFWriter(file, "qwen2")
    writer.add_name("reference")
    writer.add_context_length(2048)
    writer.add_file_type(reference.LlamaFileType.MOSTLY_Q4_0)
    writer.add_token_list(["a", "b", "c"])
    writer.add_token_scores([0.0, 1.0, 2.0])
    writer.add_chat_template("{{ messages }}")
    weights = np.linspace(-1, 1, 64 * 4, dtype=np.float32).reshape(4, 64)
    quantised = reference.quants.quantize(weights, reference.GGMLQuantizationType.Q4_0)
    writer.add_tensor("w", quantised, raw_dtype=reference.GGMLQuantizationType.Q4_0)
    writer.add_tensor("norm", np.ones(64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = gguf.read(file)
    assert (header.architecture, header.name, header.file_type) == ("qwen2", "reference", "Q4_0")
    assert (header.n_params, header.n_vocab, header.context_length) == (64 * 4 + 64, 3, 2048)


def test_type_tables_agree_with_the_reference() -> None:
    for number, (name, block, block_bytes) in TENSOR_TYPES.items():
        if name == "Q2_0":  # newer than the reference
            continue
        kind = reference.GGMLQuantizationType(number)
        assert kind.name == name
        assert reference.GGML_QUANT_SIZES[kind] == (block, block_bytes)
    assert {int(kind) for kind in reference.GGMLQuantizationType} <= set(TENSOR_TYPES)
    names = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in reference.LlamaFileType}
    assert {number: names[number] for number in FILE_TYPES} == FILE_TYPES


def test_reads_splits(file: Path) -> None:
    part = Gguf().with_pair("split.no", U16, 1).with_pair("split.count", U16, 3)
    assert gguf.read(part.write(file)).split == gguf.Split(1, 3)
    first = replace(part.with_pair("split.no", U16, 0), tensors=(), data=b"")
    assert gguf.read(first.write(file)).n_tensors == 0


def test_nested_arrays_up_to_the_bound(file: Path) -> None:
    nested = Gguf().with_pair("x", ARRAY, (ARRAY, [(U8, [1, 2]), (STRING, ["a"])]))
    assert gguf.read(nested.write(file)).n_tensors == 2


def test_empty_tokens_are_no_duplicates(file: Path) -> None:
    tokens = ("", "", *TOKENS[2:])
    assert gguf.read(Gguf().with_pair("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)).write(file)).n_vocab == 9


HUGE = 2**64 - 1
DEEP = encoded(ARRAY, (ARRAY, [(ARRAY, [(ARRAY, [(ARRAY, [(U8, [1])])])])]))
BROKEN: dict[str, tuple[Gguf, str]] = {
    "big endian": (Gguf(version=3 << 24), "model.gguf_big_endian"),
    "version 1": (Gguf(version=1), "model.gguf_version"),
    "version 4": (Gguf(version=4), "model.gguf_version"),
    "endless tensors": (Gguf(n_tensors=HUGE), "model.gguf_tensor_count"),
    "endless pairs": (Gguf(n_pairs=HUGE), "model.gguf_pair_count"),
    "long key": (Gguf(pairs=[(b"k" * 70_000, U8, 1)]), "model.gguf_key_length"),
    "empty key": (Gguf(pairs=[("", U8, 1)]), "model.gguf_key_text"),
    "key not text": (Gguf(pairs=[(b"\xff\xfe", U8, 1)]), "model.gguf_key_text"),
    "key twice": (Gguf(pairs=[("a", U8, 1), ("a", U8, 2)]), "model.gguf_key_twice"),
    "value type": (Gguf().with_pair("x", 13, b""), "model.gguf_value_type"),
    "element type": (Gguf().with_pair("x", ARRAY, struct.pack("<IQ", 99, 1)), "model.gguf_value_type"),
    "bool": (Gguf().with_pair("x", BOOL, 2), "model.gguf_bool"),
    "endless string": (Gguf().with_pair("x", STRING, struct.pack("<Q", HUGE)), "model.gguf_string_length"),
    "string over the end": (Gguf().with_pair("x", STRING, struct.pack("<Q", 10_000)), "model.gguf_cut"),
    "endless array": (Gguf().with_pair("x", ARRAY, struct.pack("<IQ", U64, HUGE)), "model.gguf_array_count"),
    "array over the end": (Gguf().with_pair("x", ARRAY, struct.pack("<IQ", U8, 5_000)), "model.gguf_array_count"),
    "endless strings": (Gguf().with_pair("x", ARRAY, struct.pack("<IQ", STRING, HUGE)), "model.gguf_array_count"),
    "strings over the end": (
        Gguf().with_pair("x", ARRAY, struct.pack("<IQ", STRING, 2) + string("a") + struct.pack("<Q", 9_999)),
        "model.gguf_cut",
    ),
    "nesting": (Gguf().with_pair("x", ARRAY, DEEP), "model.gguf_nesting"),
    "token twice": (
        Gguf().with_pair("tokenizer.ggml.tokens", ARRAY, (STRING, (*TOKENS[:8], "a"))),
        "model.gguf_token_twice",
    ),
    "tokens of numbers": (Gguf().with_pair("tokenizer.ggml.tokens", ARRAY, (U8, [1])), "model.gguf_value_type"),
    "few scores": (Gguf().with_pair("tokenizer.ggml.scores", ARRAY, (F32, [0.0])), "model.gguf_token_arrays"),
    "scores of strings": (
        Gguf().with_pair("tokenizer.ggml.scores", ARRAY, (STRING, TOKENS)),
        "model.gguf_token_arrays",
    ),
    "few types": (Gguf().with_pair("tokenizer.ggml.token_type", ARRAY, (I32, [1, 1])), "model.gguf_token_arrays"),
    "alignment 0": (Gguf().with_pair("general.alignment", U32, 0), "model.gguf_alignment"),
    "alignment 24": (Gguf().with_pair("general.alignment", U32, 24), "model.gguf_alignment"),
    "alignment of a string": (Gguf().with_pair("general.alignment", STRING, "32"), "model.gguf_value_type"),
    "alignment of a byte": (Gguf().with_pair("general.alignment", U8, 32), "model.gguf_value_type"),
    "tensor name": (Gguf(tensors=[("n" * 64, (32,), 0, 0)]), "model.gguf_tensor_name"),
    "tensor twice": (Gguf(tensors=[TENSORS[0], TENSORS[0]]), "model.gguf_tensor_twice"),
    "no dimension": (Gguf(tensors=[("t", (), 0, 0)]), "model.gguf_dimensions"),
    "five dimensions": (Gguf(tensors=[("t", (1, 1, 1, 1, 1), 0, 0)]), "model.gguf_dimensions"),
    "size 0": (Gguf(tensors=[("t", (32, 0), 0, 0)]), "model.gguf_shape"),
    "overflow": (Gguf(tensors=[("t", (2**32, 2**32), 0, 0)]), "model.gguf_shape"),
    "unknown type": (Gguf(tensors=[("t", (32,), 43, 0)]), "model.gguf_tensor_type"),
    "removed type": (Gguf(tensors=[("t", (32,), 31, 0)]), "model.gguf_tensor_type_removed"),
    "half a block": (Gguf(tensors=[("t", (33, 32), 8, 0)]), "model.gguf_block"),
    "crooked offset": (Gguf(tensors=[("t", (32,), 0, 7)]), "model.gguf_offset"),
    "offset over the end": (Gguf(tensors=[("t", (32,), 0, 1024)]), "model.gguf_incomplete"),
    "endless offset": (Gguf(tensors=[("t", (32,), 0, 2**64 - 32)]), "model.gguf_incomplete"),
    "data cut": (Gguf(data=bytes(440)), "model.gguf_incomplete"),
    "no architecture": (Gguf().without("general.architecture"), "model.gguf_no_architecture"),
    "numeric architecture": (Gguf().with_pair("general.architecture", U8, 1), "model.gguf_no_architecture"),
    "context 0": (Gguf().with_pair("llama.context_length", U32, 0), "model.gguf_number"),
    "context of a string": (Gguf().with_pair("llama.context_length", STRING, "x"), "model.gguf_number"),
    "split beyond": (
        Gguf().with_pair("split.no", U16, 3).with_pair("split.count", U16, 3),
        "model.gguf_split",
    ),
    "no tensors": (Gguf(tensors=()), "model.gguf_no_tensors"),
}


@pytest.mark.parametrize(("broken", "key"), BROKEN.values(), ids=BROKEN.keys())
def test_names_what_is_wrong(broken: Gguf, key: str, file: Path) -> None:
    error = refusal(broken.write(file))
    assert error.key == key
    assert 0 <= int(error.details["offset"]) <= file.stat().st_size


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "model.file_empty"),
        (b"GG", "model.file_not_gguf"),
        (b"GGUF", "model.gguf_cut"),
        (b"GGML" + bytes(100), "model.file_not_gguf"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "model.file_lfs_pointer"),
        (b"\n<!DOCTYPE html><html></html>", "model.file_web_page"),
        (b"PK\x03\x04" + bytes(100), "model.file_not_gguf"),
    ],
)
def test_names_what_the_file_is_instead(content: bytes, key: str, file: Path) -> None:
    file.write_bytes(content)
    assert refusal(file).key == key


def test_names_what_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.gguf").key == "model.file_missing"
    assert refusal(tmp_path).key == "model.file_is_folder"
    assert refusal(tmp_path / "nul\0.gguf").key == "model.file_unreadable"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.gguf")
        assert refusal(tmp_path / "pipe.gguf").key == "model.file_not_regular"


@pytest.mark.long
def test_every_truncation_is_refused(file: Path) -> None:
    content = Gguf().content()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(GgufInvalid):
            gguf.read(file)


@pytest.mark.long
def test_mutations_are_read_or_refused_and_never_run_away(file: Path) -> None:
    dice = random.Random(20260118)
    content = Gguf().content()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for _ in range(MUTATIONS):
        file.write_bytes(mutated(content, dice))
        began = time.perf_counter()
        try:
            gguf.read(file)
            outcomes["read"] += 1
        except GgufInvalid as error:
            outcomes[error.key] += 1
            text("en", error.key, **error.details)
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < SLOWEST_S
    assert sum(outcomes.values()) == MUTATIONS
    assert outcomes["read"] < MUTATIONS / 2
    assert len(outcomes) > 15, "the mutations reach all sections"


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Returns the content with one to four random hurts: flipped bits, written numbers, cut or doubled stretches."""
    hurt = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(hurt))
        match dice.randrange(5):
            case 0:
                hurt[at] ^= 1 << dice.randrange(8)
            case 1:
                hurt[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                number = dice.choice((0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, dice.getrandbits(64)))
                hurt[at : at + 8] = struct.pack("<Q", number)
            case 3:
                del hurt[at : at + dice.randint(1, 64)]
            case _:
                hurt[at:at] = hurt[at : at + dice.randint(1, 64)]
        if not hurt:
            break
    return bytes(hurt)


@pytest.mark.long
def test_a_large_vocabulary_is_read_in_time(file: Path) -> None:
    tokens = [f"token{number}星" for number in range(VOCABULARY)]
    large = (
        Gguf()
        .with_pair("tokenizer.ggml.tokens", ARRAY, (STRING, tokens))
        .with_pair("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * VOCABULARY))
        .with_pair("tokenizer.ggml.token_type", ARRAY, (I32, [1] * VOCABULARY))
        .with_pair("tokenizer.ggml.merges", ARRAY, (STRING, tokens))
    )
    large.write(file)
    times = []
    for _ in range(7):
        began = time.process_time()
        assert gguf.read(file).n_vocab == VOCABULARY
        times.append(time.process_time() - began)
    assert min(times) < VOCABULARY_TARGET_S, "the best of seven, in CPU time: other programs can only add to it"


def test_each_name_of_the_room_is_its_modules_own() -> None:
    """They are imported when they are asked for; `templates` is a module's name, too."""
    for module, names in gguf.OWNERS.items():
        owner = import_module(f"hoshikage.gguf.{module}")
        assert [getattr(gguf, name) for name in names] == [getattr(owner, name) for name in names]
    import_module("hoshikage.gguf.templates")
    assert all(callable(getattr(gguf, name)) for name in gguf.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gguf.nothing
