"""Tests driving a calibration: processes that die, hang, talk nonsense or come through; what is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hoshikage.errors import LibraryUnavailable
from hoshikage.library import calibration, check_report
from hoshikage.library.demo import DemoModel

from .conftest import make

pytestmark = pytest.mark.process

LAYOUT = {"name": "ctx-X (calibrated)", "size": 8, "seen": "calibrated", "rows": "n_ctx@0"}
ANSWER = json.dumps({"ok": True, "reason": "", "model": None, "context": LAYOUT})
REFUSED = json.dumps({"ok": False, "reason": "n_ctx could stand at 0 or 8", "model": None, "context": None})
DIES = "journal.open('a').write('try\\n'); sys.exit(9)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make(tmp_path / "set", "libllama.so", "libggml.so") / "libllama.so"


def program(body: str) -> tuple[str, ...]:
    """Stands for the calibration program: `journal` is its journal, `tries` the lines in it."""
    head = "import sys, time, pathlib; journal = pathlib.Path(sys.argv[-1]); "
    tries = "tries = len(journal.read_text().splitlines()) if journal.exists() else 0\n"
    return sys.executable, "-c", head + tries + body


def calibrated(file: Path, store: Path, body: str) -> dict[str, object]:
    calibration.calibrate(file, Path("tiny.gguf"), store, command=program(body))
    record = calibration.read(store)
    assert record is not None
    return record


def test_what_is_found_is_kept(file: Path, tmp_path: Path) -> None:
    record = calibrated(file, tmp_path / "store.json", f"print({ANSWER!r})")
    assert (record["file"], record["model"], record["context"]) == ("libllama.so", None, LAYOUT)


def test_processes_that_die_are_followed_by_others_that_go_on_behind(file: Path, tmp_path: Path) -> None:
    body = f"if tries < 5:\n    {DIES}\nprint({ANSWER!r})"
    assert calibrated(file, tmp_path / "store.json", body)["context"] == LAYOUT


def test_one_that_hangs_is_ended(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "ATTEMPT_S", 1.0)
    body = f"if tries < 1:\n    journal.open('a').write('try\\n')\n    time.sleep(60)\nprint({ANSWER!r})"
    assert calibrated(file, tmp_path / "store.json", body)["context"] == LAYOUT


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"print({REFUSED!r})", "n_ctx could stand at 0 or 8"),
        ("sys.exit(1)", "crashed before the first attempt"),
        ("print('hello')", "crashed before the first attempt"),
        (DIES, "too many attempts ended the process"),
    ],
)
def test_everything_else_is_a_refusal_that_keeps_nothing(
    body: str, reason: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "PROCESSES", 5)
    store = tmp_path / "store.json"
    with pytest.raises(LibraryUnavailable) as refused:
        calibration.calibrate(file, Path("tiny.gguf"), store, command=program(body))
    assert (refused.value.key, refused.value.details["reason"]) == ("library.calibration_failed", reason)
    assert calibration.read(store) is None


def test_without_the_built_in_model_nothing_is_tried(file: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryUnavailable) as refused:
        calibration.calibrate(file, None, tmp_path / "store.json", command=program("sys.exit(1)"))
    assert refused.value.details["reason"] == "hoshikage-demo is not installed"


CHECK = """
import json, pathlib, sys
calibrated = "--calibrated" in sys.argv
key = None if calibrated else "library.layout_unknown"
details = {"file": "f", "struct": "s", "nearest": "n", "difference": "d"}
error = None if calibrated else "LayoutUnknown"
print(json.dumps({"ok": calibrated, "error": error, "key": key, "details": details, "calibrated": calibrated}))
sys.exit(0 if calibrated else 1)
"""


def test_stored_layouts_are_used_when_on_and_only_then(file: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-c", CHECK)
    model = tmp_path / "tiny.gguf"
    model.write_bytes(b"GGUF")
    built_in = DemoModel("tiny", model, model)
    off = check_report.check(file, cache_dir=tmp_path, demo=built_in, command=command)
    assert (off.ok, off.key) == (False, "library.layout_unknown")
    store = calibration.place(off.fingerprint, tmp_path)
    calibration.calibrate(file, model, store, command=program(f"print({ANSWER!r})"))
    assert not check_report.check(file, cache_dir=tmp_path, demo=built_in, command=command).ok
    on = check_report.check(file, cache_dir=tmp_path, demo=built_in, command=command, calibrate=True)
    assert (on.ok, on.calibrated, on.cached) == (True, True, False)
    assert check_report.check(file, cache_dir=tmp_path, demo=built_in, command=command, calibrate=True).cached
    store.unlink()
    gone = check_report.check(file, cache_dir=tmp_path, demo=built_in, command=command, calibrate=True)
    assert (gone.ok, gone.key) == (False, "library.calibration_failed")


def test_a_library_that_changed_has_no_stored_layouts(file: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-c", CHECK)
    before = check_report.check(file, cache_dir=tmp_path, demo=None, command=command).fingerprint
    file.write_bytes(file.read_bytes() + b"\0")
    after = check_report.check(file, cache_dir=tmp_path, demo=None, command=command).fingerprint
    assert calibration.place(before, tmp_path) != calibration.place(after, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": null}', "\xff"])
def test_a_damaged_store_is_none(content: str, tmp_path: Path) -> None:
    store = tmp_path / "store.json"
    store.write_text(content, "latin-1")
    assert calibration.read(store) is None
