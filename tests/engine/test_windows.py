"""Tests a memory that keeps a window only answers as one that keeps the whole text, in every way of sharing a
decode."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hoshikage import gguf
from tests.conftest import RELEASES
from tests.engine.windows_done import LENGTHS, MODES
from tests.llama.test_load_settings import load
from tests.tiny_decoders import write_decoder

WINDOWED = RELEASES[1:]
"""These have a memory of windows."""
NOISE = 0.005
"""The noise is of log probabilities, by how tokens share a batch; a text computed on the wrong state is off by 0.05 and
more."""
MIB = 2**20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_decoder(tmp_path_factory.mktemp("models") / "gemma2.gguf", "gemma2", window=64)


@pytest.mark.native
@pytest.mark.parametrize("release", WINDOWED)
def test_answers_are_those_of_the_whole_text(release: str, libraries: dict[str, Path], model: Path) -> None:
    """Prompts of several windows, choices that begin behind one, cuts back to every depth, guesses taken back."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.windows_done", str(libraries[release]), str(model)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    assert list(found) == list(MODES)
    whole = found.pop("whole")
    for mode, answers in found.items():
        assert len(answers["plain"]) == len(LENGTHS)
        for part in ("plain", "kept"):
            for one, other in zip(answers[part], whole[part], strict=True):
                compare(one["0"], other["0"], f"{mode}, {part}")
        for choice, answer in answers["several"].items():
            compare(answer, whole["several"][choice], f"{mode}, choice {choice}")


def compare(one: list[list[Any]], other: list[list[Any]], where: str) -> None:
    assert [text for text, _ in one] == [text for text, _ in other], where
    assert len(one) > 8
    assert max(abs(mine[1] - its[1]) for mine, its in zip(one, other, strict=True)) < NOISE, where


@pytest.mark.native
@pytest.mark.parametrize("release", WINDOWED)
def test_the_memory_is_what_was_estimated(release: str, libraries: dict[str, Path], model: Path) -> None:
    """The library's own words say so; and the whole text is kept where prefixes are, and no checkpoints."""
    kept_how: list[dict[str, Any]] = [
        {},
        {"kv_reuse": "prefix", "checkpoint_memory": 1},
        {"kv_reuse": "prefix", "checkpoint_memory": 0},
    ]
    narrow, checked, whole = load(libraries[release], model, *({"n_ctx": 4096, **how} for how in kept_how))
    header = gguf.read(model)
    for found, how in zip((narrow, checked, whole), kept_how, strict=True):
        estimated = gguf.estimate(header, 4096, 64, None, gguf.KvSettings(**how)).kv_cache
        assert 0.95 * estimated < kept(found["log"]) * MIB < 1.01 * estimated  # b6301 rounds to 32 cells, not to 256
    assert not any("full-size SWA" in line for line in (*narrow["log"], *checked["log"]))
    assert any("full-size SWA" in line for line in whole["log"]), "then the engine hides a line that is not there"


def kept(log: list[str]) -> float:
    """Returns the MiB of keys and values."""
    sizes = [line.partition("size =")[2].split()[0] for line in log if "cells, " in line and "size =" in line]
    return sum(map(float, sizes))
