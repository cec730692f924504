"""Tests personas: kept like models, found by name, and what they make of a request."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from hoshikage.answer.schema import chat as schema
from hoshikage.errors import InvalidRequest, ModelNotFound, RegistryDamaged
from hoshikage.messages import LANGUAGES, text
from hoshikage.params import GenerationRequest, SamplingParams
from hoshikage.registry import ModelSpec, OwnOptions, Persona, Registry, own_options
from hoshikage.settings import load

SYSTEM = "あなたは星影です。"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "config" / "model_map.json")
    options = OwnOptions({"n_ctx": 512, "temperature": 0.5, "top_k": 5})
    made.add("base", tmp_path / "base.gguf", ["### END"], options)
    return made


def file_of(registry: Registry, **personas: Any) -> Registry:
    registry.personas_file.write_text(json.dumps(personas), "utf-8")
    return registry


class TestStore:
    def test_is_the_model_under_another_name(self, registry: Registry) -> None:
        assert registry.add_persona("hoshi", "base", SYSTEM, OwnOptions({"temperature": 0.9})) is False
        spec, base = registry.resolve("hoshi"), registry.resolve("base")
        assert spec.name == "hoshi"
        assert (spec.label, spec.file, spec.stop, spec.options) == (base.label, base.file, base.stop, base.options)
        assert spec.sampling.given() == {"temperature": 0.9, "top_k": 5}
        assert base.persona is None
        assert registry.known("hoshi") == spec
        assert registry.personas() == (spec,)

    def test_lies_beside_the_models_as_people_can_read_it(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM, OwnOptions({"top_k": 1}))
        assert registry.personas_file == registry.file.with_name("personas.json")
        raw = json.loads(registry.personas_file.read_text("utf-8"))["hoshi"]
        assert raw.pop("created") > 1_700_000_000
        assert raw == {"model": "base", "system": SYSTEM, "top_k": 1}
        assert "星影" in registry.personas_file.read_text("utf-8")

    def test_another_process_sees_it_at_once(self, registry: Registry) -> None:
        reader = Registry(registry.file)
        assert reader.personas() == ()
        registry.add_persona("hoshi", "base", SYSTEM)
        assert [found.name for found in reader.personas()] == ["hoshi"]
        registry.remove_persona("hoshi")
        assert reader.personas() == ()

    def test_the_same_name_again_replaces(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM, OwnOptions({"top_k": 1}))
        assert registry.add_persona("hoshi", "base", "other") is True
        persona = registry.resolve("hoshi").persona
        assert persona is not None
        assert (persona.system, persona.sampling) == ("other", OwnOptions())

    @pytest.mark.parametrize(
        ("name", "model", "system", "key"),
        [
            ("no//name", "base", SYSTEM, "model.label_invalid"),
            ("base", "base", SYSTEM, "model.persona_is_label"),
            ("hoshi", "base", "", "model.persona_system_invalid"),
            ("hoshi", "base", "nul\0", "model.persona_system_invalid"),
            ("hoshi", "base", "終" * 100_000, "model.persona_system_invalid"),
        ],
    )
    def test_what_cannot_be_is_refused(self, name: str, model: str, system: str, key: str, registry: Registry) -> None:
        with pytest.raises(InvalidRequest) as caught:
            registry.add_persona(name, model, system)
        assert caught.value.key == key
        assert not registry.personas_file.exists()

    def test_needs_a_model_and_no_persona(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        for model in ("absent", "hoshi"):
            with pytest.raises(ModelNotFound) as caught:
                registry.add_persona("other", model, SYSTEM)
            assert caught.value.details == {"model": model, "known": "base"}

    def test_a_model_cannot_take_its_name(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        with pytest.raises(InvalidRequest) as caught:
            registry.add("hoshi", Path("x.gguf"))
        assert caught.value.key == "model.label_is_persona"

    def test_a_model_of_its_name_that_came_by_hand_wins_and_is_told(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        raw = json.loads(registry.file.read_text())
        registry.file.write_text(json.dumps({**raw, "hoshi": {"path": "/m", "model": "x.gguf"}}))
        assert registry.resolve("hoshi").persona is None
        assert [found.key for found in registry.persona_problems()] == ["model.persona_hidden"]

    def test_one_whose_model_is_gone_says_which(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        registry.add("other", Path("x.gguf"))
        registry.remove("base")
        (found,) = registry.personas()
        assert isinstance(found, Persona)
        assert registry.known("hoshi") is None
        with pytest.raises(ModelNotFound) as caught:
            registry.resolve("hoshi")
        error = caught.value
        assert (error.status, error.code) == (404, "model_not_found")
        assert error.details == {"label": "hoshi", "model": "base", "known": "other"}
        for language in LANGUAGES:
            assert "base" in text(language, error.key, **error.details)

    def test_an_unknown_name_names_models_and_personas(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        with pytest.raises(ModelNotFound) as caught:
            registry.resolve("hosi")
        assert caught.value.details == {"model": "hosi", "known": "base, hoshi"}
        with pytest.raises(ModelNotFound):
            registry.remove_persona("base")

    def test_removing_an_unknown_one_names_the_personas_only(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        with pytest.raises(ModelNotFound) as caught:
            registry.remove_persona("hosi")
        assert text("en", caught.value.key, **caught.value.details) == "There is no persona “hosi”. Personas: hoshi"

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
    def test_the_system_texts_are_their_owners_alone(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        registry.personas_file.chmod(0o644)
        registry.add_persona("second", "base", SYSTEM)
        registry.personas_file.write_text("{")
        assert registry.persona_problems()
        (aside,) = registry.personas_file.parent.glob("personas.json.damaged-*")
        for file in (registry.personas_file, registry.personas_last_good, aside):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    @pytest.mark.parametrize(
        ("entry", "key"),
        [
            (7, "model.entry_no_object"),
            ({"system": SYSTEM}, "model.persona_model_invalid"),
            ({"model": "a//b", "system": SYSTEM}, "model.persona_model_invalid"),
            ({"model": "base"}, "model.persona_system_invalid"),
            ({"model": "base", "system": ["x"]}, "model.persona_system_invalid"),
            ({"model": "base", "system": SYSTEM, "created": "now"}, "model.entry_created_invalid"),
            ({"model": "base", "system": SYSTEM, "top_p": 2}, "model.entry_option_invalid"),
        ],
    )
    def test_bad_entries_are_skipped_one_by_one(self, entry: Any, key: str, registry: Registry) -> None:
        file_of(registry, bad=entry, good={"model": "base", "system": SYSTEM, "mood": "calm"})
        assert [found.name for found in registry.personas()] == ["good"]
        (problem,) = registry.persona_problems()
        assert problem.key == key
        for language in LANGUAGES:
            assert "bad" in text(language, problem.key, **problem.details)
        registry.add_persona("new", "base", SYSTEM)
        kept = json.loads(registry.personas_file.read_text())
        assert (kept["bad"], kept["good"]["mood"]) == (entry, "calm")

    def test_a_damaged_file_is_kept_aside_and_never_written_over(self, registry: Registry) -> None:
        registry.add_persona("hoshi", "base", SYSTEM)
        registry.personas_file.write_text("{broken")
        again = Registry(registry.file)
        assert [found.name for found in again.personas()] == ["hoshi"], "the last good state"
        assert [found.key for found in again.persona_problems()] == ["model.registry_damaged"]
        with pytest.raises(RegistryDamaged):
            again.add_persona("other", "base", SYSTEM)
        assert registry.personas_file.read_text() == "{broken"
        (kept,) = registry.file.parent.glob("personas.json.damaged-*")
        assert kept.read_text() == "{broken"


def asked(spec: ModelSpec, home: Path, *messages: tuple[str, str], **fields: Any) -> GenerationRequest:
    settings = load({"TEMPERATURE": "0.1", "TOP_P": "0.6"}, {}, home).settings
    turns = [{"role": role, "content": content} for role, content in messages or [("user", "hi")]]
    return schema.to_request(schema.parse({"model": spec.name, "messages": turns, **fields}), spec, settings)


class TestRequest:
    @pytest.fixture
    def hoshi(self, registry: Registry) -> ModelSpec:
        registry.add_persona("hoshi", "base", SYSTEM, OwnOptions({"temperature": 0.9}))
        return registry.resolve("hoshi")

    @pytest.mark.parametrize(
        ("messages", "expected"),
        [
            ([("user", "hi")], [("system", SYSTEM), ("user", "hi")]),
            ([("system", "短く。"), ("user", "hi")], [("system", f"{SYSTEM}\n\n短く。"), ("user", "hi")]),
            ([("developer", "短く。"), ("user", "hi")], [("system", f"{SYSTEM}\n\n短く。"), ("user", "hi")]),
            ([("system", ""), ("user", "hi")], [("system", SYSTEM), ("user", "hi")]),
            (
                [("user", "hi"), ("system", "短く。"), ("user", "?")],
                [("system", SYSTEM), ("user", "hi"), ("system", "短く。"), ("user", "?")],
            ),
        ],
    )
    def test_the_personas_text_goes_first(
        self, messages: list[tuple[str, str]], expected: list[tuple[str, str]], hoshi: ModelSpec, home: Path
    ) -> None:
        turns = asked(hoshi, home, *messages).chat.messages
        assert [(turn.role, turn.content) for turn in turns] == expected

    def test_request_over_persona_over_model_over_settings(self, hoshi: ModelSpec, home: Path) -> None:
        assert asked(hoshi, home).sampling == SamplingParams(temperature=0.9, top_p=0.6, top_k=5)
        assert asked(hoshi, home, temperature=0, top_k=1).sampling == SamplingParams(temperature=0, top_p=0.6, top_k=1)

    def test_the_models_defaults_hold_without_a_persona(self, registry: Registry, home: Path) -> None:
        assert asked(registry.resolve("base"), home).sampling == SamplingParams(temperature=0.5, top_p=0.6, top_k=5)

    @pytest.mark.parametrize("thinking", [None, False, True])
    def test_thinking_is_told_to_the_template(self, thinking: bool | None, home: Path) -> None:
        spec = ModelSpec("a", Path("a.gguf"), (), 0, own_options({"thinking": thinking}))
        kwargs = asked(spec, home).chat.template_kwargs
        assert kwargs == ({} if thinking is None else {"enable_thinking": thinking})
