"""Tests models as wholes: split ones, those that cannot chat, and the memory they will need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf as foreign
import pytest

from hoshikage import gguf
from hoshikage.errors import GgufInvalid
from hoshikage.messages import LANGUAGES, text
from hoshikage.params import LoadParams
from tests.gguf_files import ARRAY, I32, STRING, U16, U32, Gguf

MIB = 2**20


def split(model: Path, folder: Path, tensors_each: int) -> list[Path]:
    """Writes the model as several files, by llama.cpp's own package."""
    reader: Any = foreign.GGUFReader(model)
    architecture = reader.get_field("general.architecture").contents()
    writer: Any = foreign.GGUFWriter(folder / "split.gguf", architecture, split_max_tensors=tensors_each)
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            inner = field.types[-1] if field.types[0] == foreign.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(folder.glob("split-*.gguf"))


def part(number: int, count: int, total: int = 4) -> Gguf:
    """Makes one of several files with two tensors each; number from 0."""
    made = Gguf() if number == 0 else Gguf(pairs=[])
    made = made.with_pair("split.no", U16, number).with_pair("split.count", U16, count)
    return made.with_pair("split.tensors.count", I32, total)


def refusal(file: Path) -> GgufInvalid:
    with pytest.raises(GgufInvalid) as caught:
        gguf.read_model(file)
    for language in LANGUAGES:
        assert str(file.parent) in text(language, caught.value.key, **caught.value.details)
    return caught.value


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["a.gguf", "a-00001-of-00001.gguf", "a-00003-of-00002.gguf", "a-00000-of-00002.gguf", "a-1-of-2.gguf"],
    )
    def test_a_whole_models(self, name: str) -> None:
        assert gguf.SplitName.of(name) is None
        assert gguf.files(Path("/m") / name) == (Path("/m") / name,)

    def test_a_parts(self) -> None:
        name = gguf.SplitName.of("a\n-00002-of-00003.gguf")
        assert name == gguf.SplitName("a\n", 2, 3)
        assert gguf.files(Path("/m/a-00002-of-00003.gguf")) == tuple(
            Path(f"/m/a-0000{number}-of-00003.gguf") for number in (1, 2, 3)
        )


class TestSplit:
    @pytest.fixture
    def parts(self, demo_model: Path, tmp_path: Path) -> list[Path]:
        return split(demo_model, tmp_path, 20)

    def test_any_part_stands_for_the_whole_model(self, parts: list[Path], demo_model: Path) -> None:
        whole = gguf.read_model(demo_model)
        assert len(parts) == 3
        for file in parts:
            header = gguf.read_model(file)
            assert (header.n_params, header.n_tensors) == (whole.n_params, whole.n_tensors)
            assert (header.architecture, header.chat_template) == (whole.architecture, whole.chat_template)
            assert header.size_bytes == sum(one.stat().st_size for one in parts)
            assert gguf.first(file, header) == parts[0]
        assert gguf.first(demo_model, whole) == demo_model

    def test_a_missing_part_is_named(self, parts: list[Path]) -> None:
        parts[1].unlink()
        error = refusal(parts[2])
        assert (error.key, error.details) == ("model.split_missing", {"file": str(parts[1]), "count": 3})

    def test_a_damaged_part_is_named(self, parts: list[Path]) -> None:
        parts[2].write_bytes(parts[2].read_bytes()[:-4096])
        error = refusal(parts[0])
        assert (error.key, error.details["file"]) == ("model.gguf_incomplete", str(parts[2]))

    def test_a_name_that_says_otherwise(self, parts: list[Path]) -> None:
        renamed = parts[1].rename(parts[1].with_name("part2.gguf"))
        error = refusal(renamed)
        assert (error.key, error.details["number"], error.details["count"]) == ("model.split_name", 2, 3)

    def test_parts_in_the_wrong_place(self, parts: list[Path]) -> None:
        parts[1].write_bytes(parts[2].read_bytes())
        error = refusal(parts[0])
        assert (error.key, error.details["file"]) == ("model.split_mixed", str(parts[1]))

    def test_a_whole_model_in_a_parts_place(self, tmp_path: Path) -> None:
        part(0, 2).write(tmp_path / "a-00001-of-00002.gguf")
        Gguf().write(tmp_path / "a-00002-of-00002.gguf")
        assert refusal(tmp_path / "a-00001-of-00002.gguf").key == "model.split_mixed"

    @pytest.mark.parametrize("total", [3, 5])
    def test_parts_that_do_not_make_what_they_claim(self, total: int, tmp_path: Path) -> None:
        for number in (0, 1):
            part(number, 2, total).write(tmp_path / f"a-0000{number + 1}-of-00002.gguf")
        error = refusal(tmp_path / "a-00002-of-00002.gguf")
        assert (error.key, error.details["n_tensors"]) == ("model.split_tensors", 4)

    def test_parts_of_two_models(self, tmp_path: Path) -> None:
        part(0, 2, 4).write(tmp_path / "a-00001-of-00002.gguf")
        part(1, 2, 9).write(tmp_path / "a-00002-of-00002.gguf")
        assert refusal(tmp_path / "a-00001-of-00002.gguf").key == "model.split_tensors"

    @pytest.mark.parametrize("key", ["split.no", "split.count"])
    def test_a_type_that_would_end_the_library(self, key: str, tmp_path: Path) -> None:
        assert refusal(part(1, 2).with_pair(key, U32, 1).write(tmp_path / "a.gguf")).key == "model.gguf_split"

    def test_only_a_first_part_must_say_what_it_is(self, tmp_path: Path) -> None:
        bare = replace(part(0, 2), pairs=[pair for pair in part(0, 2).pairs if pair[0] != "general.architecture"])
        assert refusal(bare.write(tmp_path / "a-00001-of-00002.gguf")).key == "model.gguf_no_architecture"


@pytest.mark.parametrize(
    ("key", "value"), [("general.type", "adapter"), ("general.type", "mmproj"), ("general.architecture", "clip")]
)
def test_what_cannot_chat_is_no_chat_model(key: str, value: str, tmp_path: Path) -> None:
    file = Gguf().with_pair(key, STRING, value).write(tmp_path / "a.gguf")
    assert gguf.read_model(file).kind
    with pytest.raises(GgufInvalid) as caught:
        gguf.read_chat_model(file)
    assert (caught.value.key, caught.value.details["kind"]) == ("model.not_a_chat_model", value)


class TestMemory:
    def header(self, folder: Path, **values: Any) -> gguf.GgufHeader:
        """Makes a llama of 4 layers, 8 heads of 64, 2 of them for keys and values."""
        given = {
            "block_count": 4,
            "embedding_length": 512,
            "attention.head_count": 8,
            "attention.head_count_kv": 2,
            "context_length": 4096,
            **values,
        }
        made = Gguf()
        for name, value in given.items():
            if value is not None:
                kind, content = (ARRAY, (I32, value)) if isinstance(value, list) else (U32, value)
                made = made.with_pair(f"llama.{name}", kind, content)
        return gguf.read(made.write(folder / "a.gguf"))

    @pytest.mark.parametrize(
        ("values", "per_token"),
        [
            ({}, 4 * 2 * (64 + 64) * 2),
            ({"attention.head_count_kv": None}, 4 * 8 * (64 + 64) * 2),
            ({"attention.key_length": 192, "attention.value_length": 128}, 4 * 2 * (192 + 128) * 2),
            ({"attention.head_count_kv": [0, 2, 0, 8]}, (2 + 8) * (64 + 64) * 2),
            ({"attention.head_count_kv": [2]}, 2 * (64 + 64) * 2),
            ({"attention.head_count": 0, "attention.head_count_kv": 0}, 0),
            ({"attention.head_count": [8, 8, 4, 8], "attention.head_count_kv": 2}, 2 * (3 * 128 + 256) * 2),
            ({"block_count": None}, 0),
        ],
    )
    def test_the_cache_holds_keys_and_values_of_every_layer(
        self, values: dict[str, Any], per_token: int, tmp_path: Path
    ) -> None:
        found = gguf.estimate(self.header(tmp_path, **values), 1024, 512)
        assert found.kv_cache == 1024 * per_token

    def test_no_more_context_than_the_model_was_trained_on(self, tmp_path: Path) -> None:
        header = self.header(tmp_path)
        long = LoadParams("", n_ctx=100_000)
        assert long.fitting_ctx(header.context_length) == 4096
        assert replace(long, rope_scale=2.0).fitting_ctx(header.context_length) == 4096
        assert replace(long, rope_scaling="yarn", rope_scale=2.0).fitting_ctx(header.context_length) == 8192
        assert gguf.estimate(header, 300, 512).kv_cache == gguf.estimate(header, 512, 512).kv_cache, "in steps of 256"

    def test_the_total_is_of_its_parts(self, tmp_path: Path) -> None:
        header = self.header(tmp_path)
        found = gguf.estimate(header, 1024, 512)
        assert found.weights == header.size_bytes
        assert found.compute == 48 * MIB + 512 * (header.n_vocab + 2 * 512) * 4
        assert found.total == found.weights + found.kv_cache + found.compute

    def test_a_vocabulary_of_pieces_with_scores_takes_memory_of_its_own(self, tmp_path: Path) -> None:
        """As multilingual-e5 and bge-m3 have it."""
        header = replace(self.header(tmp_path), n_vocab=250_037)
        pieces = replace(header, values={**header.values, "tokenizer.ggml.model": "t5"})
        more = gguf.estimate(pieces, 512, 512).compute - gguf.estimate(header, 512, 512).compute
        assert more == 250_037 * 512

    @pytest.mark.parametrize(
        ("settings", "narrow", "per_value"),
        [
            (gguf.KvSettings(), 768, 2.0),
            (gguf.KvSettings(n_parallel=4), 1536, 2.0),
            (gguf.KvSettings(kv_reuse="prefix"), 4096, 2.0),
            (gguf.KvSettings(kv_reuse="prefix", checkpoint_memory=1), 768, 2.0),
            (gguf.KvSettings(type_k="q8_0", type_v="q8_0"), 768, 34 / 32),
            (gguf.KvSettings(type_k="q4_0", type_v="q4_0"), 768, 18 / 32),
        ],
    )
    def test_layers_with_a_window_hold_it_and_a_batch(
        self, settings: gguf.KvSettings, narrow: int, per_value: float, tmp_path: Path
    ) -> None:
        """Every second layer of a Gemma 2 looks at the whole text."""
        header = self.header(tmp_path, **{"attention.sliding_window": 256})
        values = {name.replace("llama.", "gemma2."): value for name, value in header.values.items()}
        header = replace(header, architecture="gemma2", values=values)
        found = gguf.estimate(header, 4096, 512, None, settings).kv_cache
        assert found == (2 * 4096 + 2 * narrow) * 2 * (64 + 64) * per_value
        unknown = replace(header, architecture="gemma2x", values={k.replace("2.", "2x."): v for k, v in values.items()})
        assert gguf.estimate(unknown, 4096, 512, None, settings).kv_cache == 4 * 4096 * 2 * 128 * per_value

    def test_a_hostile_header_gives_some_number(self, tmp_path: Path) -> None:
        big, sizes = 2**32 - 1, ("embedding_length", "attention.head_count", "attention.head_count_kv")
        header = self.header(tmp_path, **{"block_count": 512, **dict.fromkeys(sizes, big)})
        assert gguf.estimate(header, 16, 1).total > 0
        negative = self.header(tmp_path, **{"attention.head_count_kv": [-1, -2, -3, -4]})
        assert gguf.estimate(negative, 16, 1).kv_cache == 0
