"""DETERMINISTIC=on: an answer depends on its request alone, to the bit; what that overrides, and where it cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hoshikage.errors import Unavailable
from hoshikage.llama.exactness import EXACT_GUESSES, may_guess, require_deterministic
from hoshikage.params import DeviceInfo, LoadParams
from hoshikage.settings import load
from tests.conftest import RELEASES

ON = LoadParams("m", deterministic=True, speculation="lookup")


def model_on(release: str, kind: str) -> Any:
    device = DeviceInfo("D", "a device", kind, 0, 0)
    info = SimpleNamespace(version=release, devices=(device,))
    return SimpleNamespace(library=SimpleNamespace(info=lambda: info))


def test_several_at_once_and_kept_beginnings_are_overridden_and_config_says_so(home: Path) -> None:
    found = load({}, {"DETERMINISTIC": "on", "N_PARALLEL": "4", "KV_REUSE": "prefix"}, home)
    assert (found.settings.load_params.n_parallel, found.settings.load_params.kv_reuse) == (1, "off")
    assert found.sources["N_PARALLEL"] == found.sources["KV_REUSE"] == "DETERMINISTIC"
    assert found.sources["DETERMINISTIC"] == "environment"
    assert found.settings.load_params.deterministic
    plain = load({}, {"N_PARALLEL": "4"}, home)
    assert (plain.settings.load_params.n_parallel, plain.sources["N_PARALLEL"]) == (4, "environment")


@pytest.mark.parametrize("kind", ["gpu", "igpu"])
def test_a_gpu_is_refused(kind: str) -> None:
    with pytest.raises(Unavailable) as refused:
        require_deterministic(model_on("v0.5.0", kind), ON)
    assert refused.value.key == "engine.deterministic_gpu"
    require_deterministic(model_on("v0.5.0", kind), replace(ON, n_gpu_layers=0))
    require_deterministic(model_on("v0.5.0", kind), replace(ON, deterministic=False))
    require_deterministic(model_on("v0.5.0", "cpu"), ON)


def test_guesses_are_made_where_they_were_measured_to_be_exact() -> None:
    release, flash_attn = next(iter(EXACT_GUESSES))
    exact = cast("Any", replace(ON, flash_attn=flash_attn))
    assert may_guess(model_on(release, "cpu"), exact)
    assert not may_guess(model_on(release, "cpu"), replace(exact, type_k="q8_0"))
    assert not may_guess(model_on(release, "cpu"), replace(exact, flash_attn="off"))
    assert not may_guess(model_on("b1", "cpu"), exact)
    assert may_guess(model_on("b1", "cpu"), replace(exact, deterministic=False))


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_answers_are_those_of_a_lone_run_to_the_bit(release: str, libraries: dict[str, Path], demo_model: Path) -> None:
    """After other requests, as a later choice, with cache_prompt asked for; log probabilities are compared exactly."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.deterministic_done", str(libraries[release]), str(demo_model)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert len(found["alone"]) > 10
    assert found["after"] == found["alone"]
    assert found["cached"] == 0
    assert found["choices"]["0"] == found["alone"]
    assert found["choices"]["1"] == found["next seed"]
    assert found["next seed"] != found["alone"], "else the seeds show nothing"
