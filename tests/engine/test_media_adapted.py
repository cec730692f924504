"""Pictures are computed with the adapters of their request, as by a model that has them in its weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.engine.media_adapted_done import MERGED, SETS
from tests.media_library import media_library

pytestmark = [pytest.mark.native, pytest.mark.process]


def test_adapters_change_between_pictures_as_between_texts(tmp_path: Path) -> None:
    """LoRA adapters and control vectors take turns beside kept prefixes, several texts at once."""
    command = [sys.executable, "-m", "tests.engine.media_adapted_done", str(media_library()), str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    done = json.loads(ran.stdout)
    assert done["wrong"] == {kind: [] for kind in MERGED}
    assert done["different"] == dict.fromkeys(MERGED, len(SETS))
    assert done["qwen2vl"] == {"right": True, "without": True, "different": True}
