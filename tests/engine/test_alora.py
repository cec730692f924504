"""Tests an adapter that is active from its invocation on answers as a loop that sets it there, in every mode."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.engine.alora_done import ACTIVE, MODES

NEAR = 1e-4
"""Vectors that differ less are the same: their texts were divided into batches in other places."""
pytestmark = [pytest.mark.native, pytest.mark.process]


def ran(library: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.engine.alora_done", str(library), str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("release", ["b8390", "v0.5.0"])
def test_answers_are_those_of_a_loop_that_sets_it_where_it_begins(
    release: str, libraries: dict[str, Path], tmp_path: Path
) -> None:
    done = ran(libraries[release], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["wrong"] == {mode: [] for mode in MODES}
    plain, alora = found["right"]["plain"], found["right"]["alora"]
    assert {prompt for prompt in ACTIVE if plain[prompt] == alora[prompt]} == {"never"}
    assert sum(found["cached"]["kept"]) > sum(found["cached"]["one"]) == 0
    refused = {prompt: "engine.alora_within" if place else "" for prompt, place in ACTIVE.items()}
    assert found["within"] == refused
    for prompt, (from_plain, from_merged, from_loop) in found["vectors"].items():
        assert from_loop < NEAR, prompt
        assert (from_plain < NEAR, from_merged < NEAR) == (prompt == "never", prompt == "at once"), prompt


def test_a_release_that_cannot_change_it_in_time_says_which_can(libraries: dict[str, Path], tmp_path: Path) -> None:
    done = ran(libraries["b6301"], tmp_path)
    assert "library.feature_since" in done.stderr
