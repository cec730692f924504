"""Tests contexts beyond the training's length: only when asked for, with a warning, as a file of that scaling has
them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RELEASES, ROOT
from tests.engine.rope_done import TRAINED


@pytest.mark.parametrize("release", RELEASES)
def test_scaling_by_the_settings_is_that_of_a_file_which_brings_it(
    release: str, libraries: dict[str, Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.engine.rope_done", str(libraries[release]), str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    done = json.loads(ran.stdout)
    assert done["linear"]["text"] == done["own linear"]["text"]
    assert done["yarn"]["text"] == done["own yarn"]["text"]
    assert done["none"]["text"] == done["plain"]["text"]
    assert len({done[way]["text"] for way in ("plain", "linear", "yarn")}) == 3
    assert {way: one["n_ctx"] / TRAINED for way, one in done.items()} == {
        "plain": 1, "own linear": 1, "own yarn": 1, "linear": 2, "yarn": 2, "none": 1.5,
    }  # fmt: skip
    beyond = {way for way, one in done.items() if "engine.beyond_training" in one["warnings"]}
    assert beyond == {"linear", "yarn", "none"}
