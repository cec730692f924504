"""Every mode of the scheduler gives the bare loop's answers, token for token, with each generation of libraries.

The built-in model is trained: its choices have margins that the rounding of other batch sizes does not reach.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import RELEASES, ROOT
from tests.engine.modes_done import MODES

Done = dict[str, Any]
SEED: Final = 20260101
KEEPING: Final = [name for name, mode in MODES.items() if mode.get("kv_reuse") == "prefix"]
FORGETTING: Final = [name for name in MODES if name not in KEEPING]


@pytest.fixture(scope="module", params=RELEASES)
def done(request: pytest.FixtureRequest, libraries: dict[str, Path], demo_model: Path) -> Done:
    command = [
        sys.executable,
        "-m",
        "tests.engine.modes_done",
        str(libraries[request.param]),
        str(demo_model),
        str(SEED),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: Done = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_answers_are_the_bare_loops(done: Done, mode: str) -> None:
    """They come with random arrivals, lengths and cancels; where cells are scarce, sequences are taken away and come
    back."""
    assert len(done["bare"]) >= 10
    assert done[mode]["arrivals"] == done["bare"]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "one"])
def test_conversations_and_drawn_answers_are_those_of_one_at_a_time(done: Done, mode: str) -> None:
    assert [text for text, _, _ in done[mode]["turns"]] == [text for text, _, _ in done["one"]["turns"]]
    assert done[mode]["drawn"] == done["one"]["drawn"]


@pytest.mark.parametrize("mode", KEEPING)
def test_a_kept_prompt_is_used_by_its_own_scope_alone(done: Done, mode: str) -> None:
    counts = [(prompt, cached) for _, prompt, cached in done[mode]["turns"]]
    assert counts[0][1] == counts[3][1] == 0  # what the arrivals left, which are of no scope, is not theirs either
    for prompt, cached in (*counts[1:3], *counts[4:6]):
        assert prompt * 0.5 < cached < prompt


@pytest.mark.parametrize("mode", FORGETTING)
def test_by_default_nothing_is_kept(done: Done, mode: str) -> None:
    assert [cached for _, _, cached in done[mode]["turns"]] == [0] * 6
