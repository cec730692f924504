"""Tests every sampler with every release of the test set: it does its work, or the release is said to lack it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RELEASES
from tests.native.sampled import COUNT, NARROW

pytestmark = pytest.mark.native

LACKING = {"b4529": {"top_n_sigma", "adaptive_p"}, "b6301": {"adaptive_p"}}


@pytest.fixture(scope="module")
def outcomes(libraries: dict[str, Path], demo_model: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for release, file in libraries.items():
        done = subprocess.run(
            [sys.executable, "-m", "tests.native.sampled", str(file), str(demo_model)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (release, done.stderr[-2000:])
        found[release] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_every_sampler_at_its_narrowest_is_greedy_or_named(release: str, outcomes: dict[str, dict[str, Any]]) -> None:
    found = outcomes[release]
    assert len(found["greedy"]) == COUNT
    for name in NARROW:
        assert found[name] == (name if name in LACKING.get(release, set()) else found["greedy"]), name


@pytest.mark.parametrize("release", RELEASES)
def test_a_device_chooses_the_likeliest_where_the_release_lets_it(
    release: str, outcomes: dict[str, dict[str, Any]]
) -> None:
    found = outcomes[release]
    assert found["device"] == ("greedy" if release in ("b10361", "v0.5.0") else None)
    assert found.get("greedy by device", found["greedy"]) == found["greedy"]


@pytest.mark.parametrize("release", RELEASES)
def test_a_seed_repeats_and_is_not_greedy(release: str, outcomes: dict[str, dict[str, Any]]) -> None:
    found = outcomes[release]
    assert found["warm"] == found["warm again"] != found["greedy"]


def test_gaps_end_sooner_and_alike_over_all_releases(outcomes: dict[str, dict[str, Any]]) -> None:
    """The sampler for gaps prefers to end, which is another choice than the likeliest token."""
    filled = {tuple(found["infill"]) for found in outcomes.values()}
    assert len(filled) == 1
    assert filled != {tuple(outcomes[RELEASES[-1]]["greedy"])}
    for found in outcomes.values():
        assert found["infill, narrow"] == found["greedy"], "of one token there is no other choice"


@pytest.mark.parametrize("release", RELEASES)
def test_so_many_tokens_are_kept(release: str, outcomes: dict[str, dict[str, Any]]) -> None:
    found = outcomes[release]
    assert found["min_keep"] != found["top_p"] == found["greedy"]


def test_dry_agrees_over_all_releases(outcomes: dict[str, dict[str, Any]]) -> None:
    """It is tried as llama_sampler_init_dry changed its arguments under its name: wrong ones would compute with
    garbage."""
    dry = {tuple(found["dry"]) for found in outcomes.values()}
    assert len(dry) == 1
    assert dry != {tuple(outcomes[RELEASES[-1]]["greedy"])}


@pytest.mark.parametrize("release", RELEASES)
def test_breakers_beyond_ascii_never_end_the_process(release: str, outcomes: dict[str, dict[str, Any]]) -> None:
    """They make b4529 abort(), so there they are refused."""
    found = outcomes[release]["dry, not ascii"]
    assert found == "dry_sequence_breakers (not ASCII)" if release == "b4529" else len(found) == COUNT
