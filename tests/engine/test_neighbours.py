"""Nobody's leaving touches another's answer, whatever is being computed of it at that moment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RELEASES, ROOT
from tests.engine.neighbours_done import MODES, MOMENTS


@pytest.mark.parametrize("release", RELEASES)
def test_who_leaves_takes_nothing_of_a_neighbours_answer(
    release: str, libraries: dict[str, Path], demo_model: Path
) -> None:
    command = [sys.executable, "-m", "tests.engine.neighbours_done", str(libraries[release]), str(demo_model)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    done = json.loads(ran.stdout)
    assert list(done) == list(MODES)
    for alone, *beside in done.values():
        assert alone
        assert beside == [alone] * MOMENTS
