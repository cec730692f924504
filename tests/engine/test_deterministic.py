"""Tests DETERMINISTIC=on: an answer depends on its request alone, to the bit; what that overrides, and where it cannot
be."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hoshikage.errors import Unavailable
from hoshikage.infos import DeviceInfo
from hoshikage.llama.exactness import require_deterministic
from hoshikage.params import LoadParams
from hoshikage.settings import load
from tests.conftest import RELEASES

ON = LoadParams("m", deterministic=True, speculation="lookup")


def model_on(release: str, kind: str) -> Any:
    device = DeviceInfo("D", "a device", kind, 0, 0)
    info = SimpleNamespace(version=release, devices=(device,))
    return SimpleNamespace(library=SimpleNamespace(info=lambda: info, devices=lambda: info.devices))


def test_what_shares_a_decode_is_overridden_and_config_says_so(home: Path) -> None:
    found = load({}, {"DETERMINISTIC": "on", "N_PARALLEL": "4", "KV_REUSE": "prefix", "SPECULATION": "lookup"}, home)
    params = found.settings.load_params
    assert (params.n_parallel, params.kv_reuse, params.speculation) == (1, "off", "off")
    assert {found.sources[name] for name in ("N_PARALLEL", "KV_REUSE", "SPECULATION")} == {"DETERMINISTIC"}
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


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_answers_are_those_of_a_lone_run_to_the_bit(release: str, libraries: dict[str, Path], demo_model: Path) -> None:
    """They are asked for after other requests, as a later choice, with cache_prompt; log probabilities are compared
    exactly."""
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
