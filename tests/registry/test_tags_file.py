"""Tests the older version's tags file: shown to Ollama's clients as far as it can be used, and its names taken over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoshikage.answer.chat_formats import ChatFormats
from hoshikage.answer.model_files import ModelFiles
from hoshikage.cli.main import main
from hoshikage.protocols.ollama import models
from hoshikage.registry import Registry, read_tags
from tests.gguf_files import Gguf

OLDER = {
    "models": [
        {"name": "star:latest", "modified_at": "2025-01-01T00:00:00Z", "size": 5, "digest": "d"},
        {"model": "far:8b", "details": {"family": "llama"}},
        {"name": 7},
        "no tag",
    ]
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "tags_ollama.json"
    made.write_text(json.dumps(OLDER), "utf-8")
    return made


def test_entries_have_all_that_clients_look_for(file: Path) -> None:
    star, far = read_tags(file)
    assert (star["name"], star["size"], star["digest"]) == ("star:latest", 5, "d")
    assert (far["name"], far["details"]["family"], far["details"]["format"]) == ("far:8b", "llama", "gguf")
    assert star.keys() == far.keys()


@pytest.mark.parametrize("content", ["", "[", "7", '{"models": 7}', '{"models": [[]]}', "[" * 5000])
def test_a_file_that_is_none_shows_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "tags.json").write_text(content, "utf-8")
    assert read_tags(tmp_path / "tags.json") == []
    assert read_tags(tmp_path / "absent.json") == []
    assert read_tags(None) == []


async def test_they_stand_beside_the_models_each_name_once(file: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "model_map.json")
    registry.add("star", Gguf().write(tmp_path / "star.gguf"))
    names = [one["name"] for one in await models.tags(registry, ModelFiles(), ChatFormats(), (), file)]
    assert names == ["star", "far:8b"]
    assert len(await models.tags(registry, ModelFiles(), ChatFormats(), ())) == 1


def test_their_names_are_taken_over(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_MAP_FILE", str(tmp_path / "model_map.json"))
    monkeypatch.setenv("TAG_CACHE_FILE", str(file))
    Registry(tmp_path / "model_map.json").add("star", Gguf().write(tmp_path / "star.gguf"))
    assert main(["import", "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "star:latest → star" in said
    assert "No model: far:8b" in said
    assert Registry(tmp_path / "model_map.json").resolve("star:latest").label == "star"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.json", None, "absent.json cannot be read (No such file or directory)."),
        ("none.json", "[", "There are no tags in"),
        ("other.json", "{}", "There are no tags in"),
    ],
)
def test_a_file_that_was_asked_for_and_has_none_is_told_in_one_line(
    name: str, content: str | None, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, "utf-8")
    assert main(["import", str(tmp_path / name), "--lang", "en"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
