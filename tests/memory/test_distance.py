"""Tests how near something has to be in order to be recalled: as it is set, or as the embedding model's family has
it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hoshikage.keeper import frames
from hoshikage.memory.embedder import TextEmbedder
from hoshikage.memory.recollection import Recollections, passages_of
from hoshikage.registry import Registry
from hoshikage.settings import load
from tests.gguf_files import Gguf


class Asked:
    """This is a keeper that has nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.within: list[float] = []

    async def ask(self, make: Callable[[int], frames.Recall], _kind: Any, _seconds: float) -> frames.Entries:
        self.within.append(make(1).within)
        return frames.Entries(1, (), 0)


@pytest.mark.parametrize(
    ("variables", "name", "within"),
    [
        ({}, "multilingual-e5-small", 0.17),
        ({}, "embedder", 0.7),
        ({"MEMORY_DISTANCE": "auto"}, "my-e5", 0.17),
        ({"MEMORY_DISTANCE": "0.5"}, "my-e5", 0.5),
        ({"MEMORY_DISTANCE": "0"}, "my-e5", 0.0),
    ],
)
async def test_how_near_is_near(
    variables: dict[str, str], name: str, within: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(tmp_path / "model_map.json")
    registry.add(name, Gguf().write(tmp_path / "model.gguf"))
    settings = load({}, {"EMBEDDING_MODEL": name, **variables}, tmp_path).settings
    keeper: Any = Asked()
    nobody: Any = None
    embedder = TextEmbedder(settings, nobody, registry, keeper)

    async def vector(_texts: Sequence[str], _use: str) -> list[bytes]:
        return [b""]

    async def opened() -> None:
        return

    async def count(_texts: Sequence[str]) -> list[int]:
        return []

    memory = Recollections(settings, embedder, keeper)
    monkeypatch.setattr(embedder, "embed", vector)
    monkeypatch.setattr(memory, "opened", opened)
    assert await memory.recall("scope", "", "question", (), count) == []
    assert keeper.within == [within]


async def test_a_model_of_sentence_transformers_is_told_by_its_name_too(tmp_path: Path) -> None:
    settings = load({}, {"SENTENCE_BERT_MODEL": "intfloat/multilingual-e5-small"}, tmp_path).settings
    nobody: Any = None
    assert await TextEmbedder(settings, nobody, nobody, nobody).distance() == 0.17


@pytest.mark.parametrize(
    ("pieces", "passage"),
    [
        (["お名前は。", "小さい星。"], "お名前は。小さい星。"),
        (["It is small.", "It is a star."], "It is small. It is a star."),
        (["星です。", "It is a star.", "はい。"], "星です。It is a star.はい。"),
    ],
)
def test_sentences_are_joined_as_their_language_does(pieces: list[str], passage: str) -> None:
    assert passages_of(pieces) == [passage]
