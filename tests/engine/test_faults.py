"""Tests an exception that nobody foresaw, at any call of the engine, ends one job at most, once, and leaves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_each_job_has_one_end_and_bears_its_own_faults_alone(library_file: Path, demo_model: Path) -> None:
    command = [sys.executable, "-m", "tests.engine.faults_done", str(library_file), str(demo_model)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    done = json.loads(ran.stdout)
    assert done["hit"] > 300
    assert done["wrong"] == {}
