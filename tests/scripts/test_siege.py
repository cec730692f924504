"""Tests the siege: its totals add up over runs of one commit, its parts do what they count, and a short one finds
nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

import siege_files
from screen import ROOT
from siege_totals import COUNTS, FAULTS, Gauge, Totals


@pytest.mark.process
def test_totals_of_one_commit_add_up(tmp_path: Path) -> None:
    file = tmp_path / "siege.json"
    first = Totals(file, 7)
    first.counts["requests"] += 5
    first.write()
    second = Totals(file, 7)
    assert (second.seed, second.counts["requests"]) == (8, 5), "a run goes on with another seed"
    second.counts["requests"] += 2
    second.counts["requests_lost"] += 1
    second.counts["lost: x"] += 1
    second.write()
    assert second.faults == {"requests_lost": 1}
    said = json.loads(file.read_text())
    assert (said["counts"]["requests"], said["counts"]["lost: x"], len(said["runs"])) == (7, 1, 2)
    assert set(FAULTS) < set(COUNTS)
    file.write_text(json.dumps({**said, "commit": "another"}))
    assert Totals(file, 7).counts["requests"] == 0
    file.write_text("{")
    assert Totals(file, 7).seed == 7


def test_a_gauge_tells_growth_only_where_it_saw_enough() -> None:
    gauge = Gauge(0)
    gauge.look()
    assert gauge.slopes() == {}
    gauge._looks = [(float(at), {"threads": 2.0, "resident_mib": 10 + at / 3600}) for at in range(30)]
    assert gauge.slopes() == {
        "threads": 0.0, "resident_mib": 1.0, "last_threads": 2.0, "last_resident_mib": 10.0,
    }  # fmt: skip


def test_damage_is_the_seeds_and_changes_something() -> None:
    original = bytes(range(256)) * 40
    made = [siege_files.damaged(original, 4000, random.Random(seed)) for seed in range(50)]
    assert made == [siege_files.damaged(original, 4000, random.Random(seed)) for seed in range(50)]
    assert sum(copy != original for copy in made) > 40


@pytest.mark.process
def test_no_power_cut_loses_a_registry(tmp_path: Path) -> None:
    totals = Totals(tmp_path / "siege.json", 1)
    siege_files.cut_power(tmp_path, 1.0, totals, random.Random(3))
    assert totals.counts["power_states"] > 0
    assert totals.faults == {}


@pytest.mark.native
@pytest.mark.process
@pytest.mark.long
def test_a_short_siege_finds_nothing(tmp_path: Path, library_file: Path) -> None:
    file = tmp_path / "siege.json"
    options = ["--minutes", "0.4", "--clients", "12", "--totals", str(file), "--library", str(library_file)]
    parts = ["--only", "load", "deaths", "trees", "files", "slow", "power"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "siege.py"), *options, *parts],
        capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    counts = json.loads(file.read_text())["counts"]
    assert done.returncode == 0, done.stdout[-2000:]
    for name in ("requests_whole", "deaths", "trees", "files", "slow_connections", "power_states"):
        assert counts[name] > 0, name
