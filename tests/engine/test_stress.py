"""Mixes all modes of the scheduler, by chance: nobody's answer depends on who else is there, comes or leaves.

STRESS_ANSWERS makes it long (answers of each release and model), STRESS_SEED makes it another one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import RELEASES, ROOT, SPOILING
from tests.engine.stress_done import WRITE, cells

ANSWERS: Final = int(os.environ.get("STRESS_ANSWERS", "80"))
SEED: Final = os.environ.get("STRESS_SEED", "20260102")


@pytest.mark.parametrize(
    ("release", "kind"),
    cells((*RELEASES, SPOILING)),
)
def test_answers_among_others_are_those_of_lone_runs(
    release: str, kind: str, libraries: dict[str, Path], spoiling_library: Path, demo_model: Path, tmp_path: Path
) -> None:
    library = libraries.get(release, spoiling_library)
    model = WRITE[kind](tmp_path / "model.gguf") if kind in WRITE else demo_model
    command = [sys.executable, "-m", "tests.engine.stress_done", str(library), kind, str(model), SEED]
    ran = subprocess.run([*command, str(ANSWERS)], cwd=ROOT, capture_output=True, text=True, timeout=7200, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    done = json.loads(ran.stdout)
    assert done["wrong"] == []
    counts = done["counts"]
    assert counts["answers"] >= ANSWERS
    assert counts["given up"]
    assert counts["restore"]
    assert counts["take"] > ANSWERS / 3
