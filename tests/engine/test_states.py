"""Tests models that keep a state, and no tokens: old releases compute several texts of them wrongly, so they get
one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RELEASES, ROOT
from tests.engine.states_done import MODES, PROMPTS
from tests.engine_models import write_mamba

SPOILING = ("b4529", "b5590")
"""The one gives wrong answers where sequences are together, the other also where one was taken out."""


@pytest.mark.parametrize("release", [*RELEASES, "b5590"])
def test_answers_beside_others_and_after_others_are_those_of_a_fresh_load(
    release: str, libraries: dict[str, Path], spoiling_library: Path, tmp_path: Path
) -> None:
    library = libraries.get(release, spoiling_library)
    command = [sys.executable, "-m", "tests.engine.states_done", str(library), str(write_mamba(tmp_path / "m.gguf"))]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    done = json.loads(ran.stdout)
    assert done["different"] == len(PROMPTS)
    assert done["wrong"] == {mode: [] for mode in MODES}
    assert done["n_sequences"] == (1 if release in SPOILING else 3)
    assert done["warnings"] == (["engine.one_sequence"] if release in SPOILING else [])
