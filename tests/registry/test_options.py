"""Tests settings of one model: read from the file, written to it, refused by name, and what they do to a load."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from msgspec import NODEFAULT
from msgspec.inspect import FloatType, IntType, type_info

from hoshikage.answer.schema.chat import ChatBody
from hoshikage.dispatch.wanted import wanted_load
from hoshikage.errors import InvalidRequest, ModelLoadFailed
from hoshikage.messages import LANGUAGES, text
from hoshikage.option import Option, Value
from hoshikage.options import OWN, SAMPLING
from hoshikage.params import LoadParams, SamplingParams
from hoshikage.registry import ModelSpec, OwnOptions, Registry, own_options, read_template
from hoshikage.settings import load
from tests.gguf_files import Gguf

ALL: dict[str, Any] = {
    "n_ctx": 8192,
    "n_ubatch": 128,
    "n_gpu_layers": "auto",
    "main_gpu": 1,
    "split_mode": "layer",
    "tensor_split": "3,1",
    "override_tensor": "exps=CPU",
    "cpu_moe": "off",
    "n_cpu_moe": 3,
    "kv_offload": "off",
    "no_host": "on",
    "repack": "off",
    "flash_attn": "on",
    "rope_scaling": "yarn",
    "rope_scale": 2.0,
    "context_overflow": "shift",
    "type_k": "q8_0",
    "type_v": "q4_0",
    "use_mmap": "off",
    "use_mlock": "on",
    "require_gpu": "on",
    "chat_template": "chatml",
    "draft": "/models/draft.gguf",
    "mmproj": "/models/mmproj.gguf",
    "lora": ["/models/style.gguf:0.500000", "/models/b.gguf:1.000000"],
    "control_vector": ["/models/calm.gguf:-1.000000"],
    "thinking": False,
    "pin": True,
    "temperature": 0.0,
    "top_p": 0.9,
    "top_k": 20,
    "min_p": 0.05,
    "repeat_penalty": 1.1,
    "repeat_last_n": -1,
    "frequency_penalty": -0.5,
    "presence_penalty": 0.25,
    "seed": 7,
    "memory_summary": "on",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "model_map.json"


def written(file: Path, **entries: Any) -> Registry:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(entries), "utf-8")
    return Registry(file)


def test_one_row_for_each_field() -> None:
    assert list(ALL) == [row.name for row in OWN]
    assert {row.name for row in SAMPLING} <= {field.name for field in fields(SamplingParams)}


@pytest.mark.parametrize("row", [row for row in SAMPLING if row.name != "seed"], ids=lambda row: row.name)
def test_what_a_model_may_default_to_a_request_may_ask_for(row: Option) -> None:
    (field,) = (found for found in type_info(ChatBody).fields if found.name == row.name)  # type: ignore[attr-defined]
    kinds = [kind for kind in field.type.types if isinstance(kind, (IntType, FloatType))]
    assert field.default is None or field.default is NODEFAULT
    (kind,) = kinds
    assert row.minimum >= (kind.gt if kind.ge is None and kind.gt is not None else kind.ge or 0)
    assert kind.le is not None
    assert row.maximum <= kind.le


def test_all_are_read_and_written_as_they_stand(file: Path) -> None:
    entry = {"path": "/m", "model": "a.gguf", "stop": ["x"], "created": 5}
    options = written(file, a={**entry, **ALL}).resolve("a").options
    assert options.given() == ALL
    Registry(file).add("b", Path("/m/b.gguf"), (), options)
    again = Registry(file)
    assert again.resolve("b").options == options
    assert {name: json.loads(file.read_text())["b"][name] for name in ALL} == ALL


def test_none_is_what_a_file_without_them_says(file: Path) -> None:
    spec = written(file, a={"path": "/m", "model": "a.gguf", "n_ctx": None}).resolve("a")
    assert spec.options == OwnOptions()
    assert (spec.options.given(), spec.sampling) == ({}, OwnOptions())


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("n_ctx", 15, "15"),
        ("n_ctx", "4096", "4096"),
        ("n_ctx", 4096.0, "4096.0"),
        ("n_ctx", True, "true"),
        ("n_gpu_layers", -2, "-2"),
        ("n_gpu_layers", "all", "all"),
        ("main_gpu", "1", "1"),
        ("tensor_split", "3;1", "3;1"),
        ("override_tensor", "exps", "exps"),
        ("override_tensor", "=CPU", "=CPU"),
        ("split_mode", "columns", "columns"),
        ("flash_attn", "yes", "yes"),
        ("type_v", "f32", "f32"),
        ("use_mmap", True, "true"),
        ("temperature", 2.5, "2.5"),
        ("temperature", [0.5], "[…]"),
        ("top_p", -0.1, "-0.1"),
        ("top_k", 1.5, "1.5"),
        ("repeat_penalty", 0, "0"),
        ("seed", -1, "-1"),
        ("seed", 2**32, "4294967296"),
        ("lora", "/a.gguf", "/a.gguf"),
        ("lora", [""], "[…]"),
        ("lora", ["/a.gguf", ""], "[…]"),
        ("control_vector", ["/a.gguf:1000"], "[…]"),
        ("thinking", 0, "0"),
        ("thinking", "no", "no"),
        ("chat_template", "a\0b", "a\0b"),
        ("chat_template", {"file": "x"}, "{…}"),
        ("chat_template", "x" * 100 + "\ud800", "x" * 60 + "…"),
    ],
)
def test_a_bad_value_skips_its_entry_and_says_what_is_allowed(name: str, value: Any, shown: str, file: Path) -> None:
    good = {"path": "/m", "model": "a.gguf"}
    registry = written(file, bad={**good, name: value}, good=good)
    assert [spec.label for spec in registry.specs()] == ["good"]
    (problem,) = registry.problems()
    assert problem.key == "model.entry_option_invalid"
    allowed = next(row.allowed for row in OWN if row.name == name)
    assert problem.details == {"label": "bad", "name": name, "value": shown, "allowed": allowed}
    for language in LANGUAGES:
        words = text(language, problem.key, **problem.details)
        assert all(part in words for part in ("bad", name, shown, allowed))
    with pytest.raises(InvalidRequest) as caught:
        own_options({name: value})
    assert caught.value.param == name


def test_the_same_file_again_keeps_what_is_not_given_anew(file: Path) -> None:
    registry = Registry(file)
    registry.add("a", Path("/m/a.gguf"), (), OwnOptions({"n_ctx": 1024, "thinking": False}))
    registry.add("a", Path("/m/a.gguf"), (), OwnOptions({"n_ctx": 2048, "top_k": 1}))
    assert registry.resolve("a").options.given() == {"n_ctx": 2048, "thinking": False, "top_k": 1}
    registry.add("a", Path("/m/other.gguf"))
    assert registry.resolve("a").options == OwnOptions()


def test_the_same_file_again_keeps_its_stop_strings_unless_they_are_given(file: Path) -> None:
    registry = Registry(file)
    for given, kept in ((["x", "y"], ("x", "y")), (None, ("x", "y")), (["z"], ("z",)), ([], ())):
        registry.add("a", Path("/m/a.gguf"), given)
        assert registry.resolve("a").stop == kept
    registry.add("a", Path("/m/a.gguf"), ["x"])
    registry.add("a", Path("/m/other.gguf"))
    assert registry.resolve("a").stop == ()


@pytest.mark.parametrize("row", [row for row in OWN if row.name != "n_ubatch"], ids=lambda row: row.name)
def test_an_empty_one_takes_it_away(row: Option, file: Path) -> None:
    registry = Registry(file)
    registry.add("a", Path("/m/a.gguf"), (), OwnOptions({"n_ubatch": 64, row.name: ALL[row.name]}))
    given: tuple[Value, ...] = ("", []) if row.kind is list else ("",)
    for empty in given:
        registry.add("a", Path("/m/a.gguf"), (), own_options({row.name: empty}))
        assert registry.resolve("a").options.given() == {"n_ubatch": 64}
        registry.add("a", Path("/m/a.gguf"), (), OwnOptions({row.name: ALL[row.name]}))


def test_an_empty_one_in_the_file_is_none(file: Path) -> None:
    empty = {row.name: [] if row.kind is list else "" for row in OWN}
    registry = written(file, a={"path": "/m", "model": "a.gguf", **empty})
    assert (registry.resolve("a").options, registry.problems()) == (OwnOptions(), ())


def test_a_relative_template_lies_with_the_registry_or_here(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = written(file, a={"path": "/m", "model": "a.gguf", "chat_template": "t/chat.jinja"})
    beside = file.parent / "t" / "chat.jinja"
    beside.parent.mkdir()
    beside.touch()
    assert registry.resolve("a").options.chat_template == str(beside)
    here = tmp_path / "t" / "chat.jinja"
    here.parent.mkdir()
    here.touch()
    assert registry.resolve("a").options.chat_template == str(here)


class TestLoading:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return Gguf().write(tmp_path / "a.gguf")

    def params(self, model: Path, options: OwnOptions, home: Path) -> LoadParams:
        settings = load({"N_CTX": "4096", "N_GPU_LAYERS": "9"}, {}, home).settings
        return wanted_load(ModelSpec("a", model, (), 0, options), settings).params

    def test_settings_where_the_model_has_none(self, model: Path, home: Path) -> None:
        params = self.params(model, OwnOptions(), home)
        assert (params.n_ctx, params.n_gpu_layers, params.chat_template) == (4096, 9, None)

    def test_the_models_own(self, model: Path, home: Path, tmp_path: Path) -> None:
        template = tmp_path / "chat.jinja"
        template.write_text("\ufeff{{ messages }} 星", "utf-8")
        params = self.params(model, OwnOptions({"n_ctx": 512, "n_gpu_layers": 0, "chat_template": str(template)}), home)
        assert (params.n_ctx, params.n_gpu_layers, params.chat_template) == (512, 0, "{{ messages }} 星")

    def test_a_changed_template_is_another_load(self, model: Path, home: Path, tmp_path: Path) -> None:
        template = tmp_path / "chat.jinja"
        template.write_text("one")
        options = OwnOptions({"chat_template": str(template)})
        before = self.params(model, options, home)
        template.write_text("two")
        assert self.params(model, options, home) != before

    def test_a_part_that_changes_is_another_load(self, home: Path, tmp_path: Path) -> None:
        parts = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
        for part in parts:
            part.write_bytes(b"GGUF")
        settings = load({}, {}, home).settings
        spec = ModelSpec("m", parts[0], (), 0)
        before = wanted_load(spec, settings)
        assert wanted_load(spec, settings) == before
        parts[1].write_bytes(b"GGUF and more")
        assert wanted_load(spec, settings) != before


class TestTemplate:
    def test_chatml_is_empty_and_none_is_the_models(self) -> None:
        assert (read_template("chatml"), read_template(None)) == ("", None)

    @pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * (1024 * 1024 + 1)])
    def test_what_is_no_template_is_refused_by_name(self, content: bytes, tmp_path: Path) -> None:
        file = tmp_path / "chat.jinja"
        file.write_bytes(content)
        with pytest.raises(ModelLoadFailed) as caught:
            read_template(str(file))
        assert (caught.value.key, caught.value.details) == ("model.template_no_text", {"file": str(file)})

    def test_a_missing_one_is_a_400_that_names_it(self, tmp_path: Path) -> None:
        with pytest.raises(ModelLoadFailed) as caught:
            read_template(str(tmp_path / "none.jinja"))
        assert caught.value.status == 400
        assert caught.value.details["file"] == str(tmp_path / "none.jinja")


def test_a_pipe_as_template_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelLoadFailed) as refused:
        read_template(str(tmp_path / "pipe"))
    assert refused.value.key == "model.template_no_text"
