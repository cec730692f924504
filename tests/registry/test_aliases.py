"""Tests further names of models and personas: aliases.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage.errors import InvalidRequest, ModelNotFound
from hoshikage.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "model_map.json")
    made.add("star", tmp_path / "star.gguf")
    made.add_persona("poet", "star", "Be brief.")
    return made


def test_an_alias_means_its_model_until_it_is_removed(registry: Registry) -> None:
    assert registry.add_alias("gpt-4o", "star") is False
    assert registry.add_alias("gpt-4o", "poet") is True
    spec = registry.resolve("gpt-4o")
    assert (spec.label, spec.name) == ("star", "poet")
    assert registry.known("gpt-4o") == spec
    assert registry.aliases() == {"gpt-4o": "poet"}
    assert registry.aliases_file.read_text() == '{\n  "gpt-4o": "poet"\n}\n'
    registry.remove_alias("gpt-4o")
    with pytest.raises(ModelNotFound):
        registry.resolve("gpt-4o")
    with pytest.raises(ModelNotFound) as caught:
        registry.remove_alias("gpt-4o")
    assert caught.value.key == "model.alias_not_found"


def test_an_alias_of_an_alias_is_one_of_its_model(registry: Registry) -> None:
    registry.add_alias("a", "star")
    registry.add_alias("b", "a")
    registry.remove_alias("a")
    assert registry.resolve("b").label == "star"


@pytest.mark.parametrize(
    ("name", "target", "error", "key"),
    [
        ("star", "poet", InvalidRequest, "model.alias_is_label"),
        ("poet", "star", InvalidRequest, "model.alias_is_label"),
        ("a b", "star", InvalidRequest, "model.label_invalid"),
        ("a", "gone", ModelNotFound, "http.model_not_found"),
        ("a", "a", ModelNotFound, "http.model_not_found"),
    ],
)
def test_what_cannot_be_an_alias(registry: Registry, name: str, target: str, error: type[Exception], key: str) -> None:
    with pytest.raises(error) as caught:
        registry.add_alias(name, target)
    assert getattr(caught.value, "key", None) == key
    assert registry.aliases() == {}


def test_a_file_written_by_hand_hurts_nobody(registry: Registry) -> None:
    registry.aliases_file.write_text('{"a": "b", "b": "a", "c": 1, "star": "poet", "d": "gone", "e": "star"}')
    for name in ("a", "b", "c", "d"):
        with pytest.raises(ModelNotFound):
            registry.resolve(name)
    assert registry.resolve("star").name == "star"
    assert registry.resolve("e").name == "star"
    assert [(found.key, found.details["label"]) for found in registry.alias_problems()] == [
        ("model.alias_target_invalid", "c"),
        ("model.alias_hidden", "star"),
    ]


def test_an_alias_of_a_model_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "found.gguf").write_bytes(b"GGUF")
    registry = Registry(tmp_path / "model_map.json", folder)
    registry.add_alias("gpt-4o", "found")
    assert registry.resolve("gpt-4o").file == folder / "found.gguf"
