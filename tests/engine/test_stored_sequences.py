"""Conversations that outlive their engine are gone on with exactly, on every tested release."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RELEASES, ROOT
from tests.engine.stored_done import OTHER, TALK
from tests.engine_models import write_llama, write_mamba


@pytest.fixture(scope="module", params=RELEASES)
def done(request: pytest.FixtureRequest, libraries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("stored")
    return run(libraries[request.param], write_llama(folder / "model.gguf"), folder)


def run(library: Path, model: Path, folder: Path, *length: str) -> Any:
    (folder / "kv").mkdir()
    arguments = [str(library), str(model), str(folder / "kv"), *length]
    command = [sys.executable, "-m", "tests.engine.stored_done", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


def test_answers_go_on_as_if_all_had_been_computed(done: Any) -> None:
    assert [text for text, _ in done["taken back"]] == [text for text, _ in done["anew"]]
    assert [cached for _, cached in done["taken back"]] == [len(TALK), len(OTHER)]
    assert [cached for _, cached in done["anew"]] == [0, 0]
    assert done["lost"] == []


def test_each_kept_sequence_is_stored_with_its_scope(done: Any) -> None:
    assert [scope for scope, _ in done["stored"]] == ["a", "b"]
    assert all(count > len(text) for (_, count), text in zip(done["stored"], (TALK, OTHER), strict=True))


def test_another_scope_is_given_nothing(done: Any) -> None:
    assert done["of another"] == [done["anew"][0][0], 0]


def test_what_has_not_changed_is_not_written_again(done: Any) -> None:
    assert done["again"][1] == len(TALK) - 1
    assert done["unchanged"] == [0, 1]


def test_what_was_stored_for_another_load_is_told_and_passed_over(done: Any) -> None:
    assert done["another key"] == [done["anew"][0], 2]


def test_damaged_files_are_told_and_passed_over(done: Any) -> None:
    assert done["damaged"] == [*done["anew"], 2]


def test_nothing_is_written_beyond_the_bound(done: Any) -> None:
    assert done["small"] == [0, 0]


@pytest.mark.parametrize("release", ["b4529", "b8390", "v0.5.0"])
def test_a_state_that_cannot_be_cut_is_gone_on_with_as_a_whole(
    release: str, libraries: dict[str, Path], tmp_path: Path
) -> None:
    """An answer of one token leaves in memory what the next prompt begins with. One of the releases keeps one text."""
    done = run(libraries[release], write_mamba(tmp_path / "model.gguf"), tmp_path, "1")
    assert [text for text, _ in done["taken back"]] == [text for text, _ in done["anew"]]
    stored = dict(done["stored"])
    assert [cached for _, cached in done["taken back"]] == [stored.get("a", 0), stored.get("b", 0)]
    assert stored.get("b") == len(OTHER)
    assert done["of another"] == [done["anew"][0][0], 0]
