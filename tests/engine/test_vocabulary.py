"""Words need no weights: with each generation of libraries the vocabulary alone says what the loaded model says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RELEASES, ROOT


@pytest.mark.parametrize("release", RELEASES)
def test_the_vocabulary_alone_says_what_the_model_says(
    release: str, libraries: dict[str, Path], demo_model: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.engine.vocabulary_done", str(libraries[release]), str(demo_model)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["words"] == found["model"]
    tokens, _, text, _, prompt, _, counted = (found["words"][number] for number in range(7))
    assert len(tokens) > 3
    assert "星影" in text
    assert "What is Hoshikage?" in prompt
    assert counted == found["started"]
