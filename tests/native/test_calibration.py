"""Tests layouts that are in no table: found by behaviour exactly where they are, or refused. Never taken for another.

Twice over: real releases whose layouts are hidden from the tables, and the newest release behind a shim that gives its
structs a layout which no release has (drifted.c). Both go through the programs and the judge that a server uses.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hoshikage._ffi.layout import Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, FIELDS, MODEL_LAYOUTS
from hoshikage.lab.calibration import NEEDED_OF_CONTEXT, NEEDED_OF_MODEL
from hoshikage.library import calibration, check_report
from hoshikage.library.demo import DemoModel
from tests.ffi.drift import NEW, Drift, drifts, of_release

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(platform.machine().lower() in ("arm64", "aarch64"), reason="written bytes cannot be seen there"),
]
HIDDEN = 3
TRUTH = {
    "b8390": ("mdl-H", "ctx-E"),
    "b10361": ("mdl-I", "ctx-I"),
    "v0.5.0": ("mdl-J", "ctx-I"),
}
"""These are the releases of the test set with a layout that is hidden, and their layouts."""
BY_NAME = {layout.name: layout for layout in (*MODEL_LAYOUTS, *CONTEXT_LAYOUTS)}
HIDDEN_NAMES = {layout.name for table in (MODEL_LAYOUTS, CONTEXT_LAYOUTS) for layout in table[-HIDDEN:]}
PLACED_OF_CONTEXT = {*NEEDED_OF_CONTEXT, "pooling_type", "flash_attn_type", "rope_freq_base", "rope_freq_scale"} | {
    "type_k",
    "type_v",
    "embeddings",
    "kv_unified",
}
"""These are found in every release from b8390 on."""

Shim = Callable[[Drift], dict[str, str]]


def rows(layout: dict[str, Any]) -> dict[str, int]:
    return Layout(layout["name"], layout["size"], "", layout["rows"]).offsets()


@pytest.mark.parametrize("release", TRUTH)
def test_a_release_whose_layouts_are_hidden_is_placed_rightly_and_computes_the_golden_ids(
    release: str, libraries: dict[str, Path], demo_model: Path, golden: Path, tmp_path: Path
) -> None:
    program = (sys.executable, "-m", "tests.native.hidden", str(HIDDEN))
    store = tmp_path / "layouts.json"
    calibration.calibrate(libraries[release], demo_model, store, command=program)
    found = json.loads(store.read_text("utf-8"))
    for name, struct, needed in zip(
        TRUTH[release], ("model", "context"), (NEEDED_OF_MODEL, PLACED_OF_CONTEXT), strict=True
    ):
        assert (found[struct] is not None) == (name in HIDDEN_NAMES)
        if found[struct] is not None:
            placed, truth = rows(found[struct]), BY_NAME[name].offsets()
            assert placed.items() <= truth.items()
            assert set(needed) <= placed.keys()
            assert (found[struct]["size"], found[struct]["name"][-12:]) == (BY_NAME[name].size, "(calibrated)")
    arguments = [*program, str(libraries[release]), "--model", str(demo_model), "--golden", str(golden)]
    arguments += ["--calibrated", str(store)]
    done = subprocess.run(arguments, capture_output=True, encoding="utf-8", errors="replace", timeout=120, check=False)
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["key"], answer["golden"], answer["calibrated"]) == (True, None, "passed", True)
    assert "(calibrated)" in answer["model_layout"] + answer["context_layout"]


def description(drift: Drift) -> str:
    """Describes it as drifted.c reads it."""
    real = drift.layout.offsets()
    return " ".join(
        f"-1 {offset} {drift.size} {drift.default}" if name == NEW else f"{real[name]} {offset} {FIELDS[name].size}"
        for name, offset in drift.offsets.items()
    )


def same(layout: Layout) -> str:
    return " ".join(f"{offset} {offset} {FIELDS[name].size}" for name, offset in layout.offsets().items())


@pytest.fixture(scope="module")
def shim(library_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds libllama.so in front of the newest release; its layouts come from the environment."""
    folder = tmp_path_factory.mktemp("shim")
    for file in library_file.parent.glob("*ggml*"):
        (folder / file.name).symlink_to(file)
    made = folder / "libllama.so"
    source = Path(__file__).with_name("drifted.c")
    command = ["cc", "-O1", "-shared", "-fPIC", str(source), "-Wl,--no-as-needed", "-o", str(made), str(library_file)]
    subprocess.run([*command, f"-Wl,-rpath,{library_file.parent}", "-ldl"], check=True)
    return made


def drift_of(layout: Layout, before: str, size: int, default: int) -> Drift:
    place = list(layout.offsets()).index(before)
    return next(d for d in drifts(layout) if (d.place, d.size, d.default) == (place, size, default))


@pytest.mark.skipif(sys.platform != "linux", reason="the shim is written for Linux's loader")
@pytest.mark.parametrize(
    ("table", "before", "size", "default"),
    [
        (CONTEXT_LAYOUTS, "n_batch", 4, 0),
        (CONTEXT_LAYOUTS, "n_threads", 4, 1),
        (CONTEXT_LAYOUTS, "flash_attn_type", 4, -1),
        (CONTEXT_LAYOUTS, "abort_callback", 8, 1),  # a 0 there came with v0.7.0
        (CONTEXT_LAYOUTS, "kv_unified", 1, 0),
        (MODEL_LAYOUTS, "progress_callback", 8, 0),
        (MODEL_LAYOUTS, "vocab_only", 1, 1),
    ],
)
def test_tomorrow_s_release_is_refused_when_off_and_placed_rightly_when_on(
    table: tuple[Layout, ...],
    before: str,
    size: int,
    default: int,
    shim: Path,
    library_file: Path,
    demo_model: Path,
    golden: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drift = drift_of(of_release(table, "v0.5.0"), before, size, default)
    model = description(drift) if table is MODEL_LAYOUTS else same(of_release(MODEL_LAYOUTS, "v0.5.0"))
    context = description(drift) if table is CONTEXT_LAYOUTS else same(of_release(CONTEXT_LAYOUTS, "v0.5.0"))
    for name, value in (("REAL", str(library_file)), ("MODEL", model), ("CONTEXT", context)):
        monkeypatch.setenv(f"DRIFTED_{name}", value)
    built_in = DemoModel("tiny", demo_model, golden)
    refused = check_report.check(shim, cache_dir=tmp_path, demo=built_in)
    assert (refused.ok, refused.key) == (False, "library.layout_unknown")
    given = check_report.check(shim, cache_dir=tmp_path, demo=built_in, calibrate=True)
    assert (given.ok, given.key, given.golden, given.calibrated) == (True, "", "passed", True)
    stored = calibration.read(calibration.place(given.fingerprint, tmp_path))
    assert stored is not None
    struct, other = ("model", "context") if table is MODEL_LAYOUTS else ("context", "model")
    assert stored[other] is None
    assert rows(stored[struct]).items() <= drift.offsets.items()
    assert not check_report.check(shim, cache_dir=tmp_path, demo=built_in).ok
    assert check_report.check(shim, cache_dir=tmp_path, demo=built_in, calibrate=True).cached
