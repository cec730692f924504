"""Tests LoRA adapters and control vectors: every release answers as a model that has them in its weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RELEASES, ROOT
from tests.engine.adapters_done import MODES, PROMPTS


@pytest.mark.parametrize("release", RELEASES)
def test_answers_are_those_of_merged_weights_however_adapters_change(
    release: str, libraries: dict[str, Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.engine.adapters_done", str(libraries[release]), str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    done = json.loads(ran.stdout)
    assert done["wrong"] == {f"{kind} {mode}": [] for kind in ("plain", "vector") for mode in MODES}
    assert done["plain different"] == [5] * len(PROMPTS)
    assert done["vector different"] == [5] * len(PROMPTS)
