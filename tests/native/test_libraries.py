"""Tests every release of the test set, each in a process of its own: recognition, handshake, golden ids, altered
tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RELEASES

pytestmark = pytest.mark.native

KNOWN = {
    "b4529": ("mdl-C", "ctx-A"),
    "b6301": ("mdl-E", "ctx-C"),
    "b8390": ("mdl-H", "ctx-E"),
    "b10361": ("mdl-I", "ctx-I"),
    "v0.5.0": ("mdl-J", "ctx-I"),
}
ABSENT = {
    "b4529": {"use_mmap=read", "use_mmap=mapped", "n_seq_max"},
    "b10361": {"main_gpu"},
    "v0.5.0": {"main_gpu"},
}
"""A release cannot show these: getters and log lines that came later; a GPU that is not there."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )


def checked(*command: str) -> dict[str, Any]:
    done = run("hoshikage.runner.check", *command)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1), done.stderr[-2000:]
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_the_release_is_recognised_and_computes_the_golden_ids(
    release: str, libraries: dict[str, Path], demo_model: Path, golden: Path
) -> None:
    found = checked(str(libraries[release]), "--model", str(demo_model), "--golden", str(golden))
    assert (found["ok"], found["key"], found["golden"]) == (True, None, "passed")
    assert (found["model_layout"], found["context_layout"]) == KNOWN[release]
    assert {name for name, result in found["handshake"].items() if result != "ok"} == ABSENT.get(release, set())
    assert len(found["handshake"]) >= 18
    assert any(device["kind"] == "cpu" for device in found["devices"])


def test_penalties_agree_over_all_releases(libraries: dict[str, Path], demo_model: Path) -> None:
    """It is tried as llama_sampler_init_penalties changed its arguments under its name: wrong ones would compute with
    garbage."""
    answers = {
        release: run("tests.native.penalised", str(file), str(demo_model)) for release, file in libraries.items()
    }
    assert {release: done.returncode for release, done in answers.items()} == dict.fromkeys(RELEASES, 0)
    ids = {done.stdout for done in answers.values()}
    assert len(ids) == 1
    assert len(json.loads(ids.pop())["penalised"]) == 24


def test_wrong_golden_ids_are_told(library_file: Path, demo_model: Path, golden: Path, tmp_path: Path) -> None:
    content = json.loads(golden.read_text("utf-8"))
    content["cases"][0]["ids"][-1] += 1
    altered = tmp_path / "golden.json"
    altered.write_text(json.dumps(content), "utf-8")
    found = checked(str(library_file), "--model", str(demo_model), "--golden", str(altered))
    assert (found["ok"], found["key"], found["golden"]) == (False, "library.golden_failed", "failed")
    assert found["details"]["check"] == "ids[0]"


def test_without_a_model_only_the_layouts_are_examined(library_file: Path) -> None:
    found = checked(str(library_file))
    assert (found["ok"], found["golden"], found["handshake"]) == (True, "not_run", {})


def test_a_refusal_is_one_line_too(tmp_path: Path) -> None:
    found = checked(str(tmp_path / "libllama.so"))
    assert (found["ok"], found["key"]) == (False, "library.missing_file")


@pytest.mark.parametrize("release", RELEASES)
def test_a_table_whose_defaults_do_not_fit_is_refused_before_anything_is_called(
    release: str, libraries: dict[str, Path], demo_model: Path
) -> None:
    done = run("tests.native.altered", str(libraries[release]), str(demo_model), "n_batch", "n_ubatch")
    assert json.loads(done.stdout)["key"] == "library.layout_unknown"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("one", "other", "check"),
    [("n_threads", "n_threads_batch", "n_threads"), ("rope_freq_base", "rope_freq_scale", "rope_freq_base")],
)
def test_fields_of_equal_default_in_each_other_s_place_are_found_by_the_handshake(
    release: str, libraries: dict[str, Path], demo_model: Path, one: str, other: str, check: str
) -> None:
    done = run("tests.native.altered", str(libraries[release]), str(demo_model), one, other)
    found = json.loads(done.stdout)
    assert (found["key"], found["check"]) == ("library.handshake_failed", check)


@pytest.mark.parametrize("release", RELEASES)
def test_callback_and_data_in_each_other_s_place_end_the_child_or_are_refused(
    release: str, libraries: dict[str, Path], demo_model: Path
) -> None:
    done = run(
        "tests.native.altered", str(libraries[release]), str(demo_model), "abort_callback", "abort_callback_data"
    )
    assert done.returncode != 0
