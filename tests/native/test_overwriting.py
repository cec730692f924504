"""Copying over a loaded library kills its process; it does not where a copy is what was loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hoshikage.library.demo import DemoModel
from hoshikage.library.selection import Selection

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(sys.platform != "linux", reason="other systems lock or sign what is mapped"),
]


def overwritten(loaded: Path, people_see: Path, model: Path) -> tuple[int, str]:
    """Returns what becomes of a process that has loaded the one file when everything beside the other is copied
    over."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.native.overwritten", str(loaded), str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loaded\n"
    for file in people_see.parent.glob("*.so"):
        file.write_bytes(bytes(file.stat().st_size))
    said, _ = process.communicate("go\n", timeout=60)
    return process.returncode, said


def test_a_running_model_is_not_harmed(
    libraries: dict[str, Path], tmp_path: Path, demo_model: Path, golden: Path
) -> None:
    lib_dir = tmp_path / "config" / "lib"
    shutil.copytree(libraries["b8390"].parent, lib_dir)
    file = lib_dir / libraries["b8390"].name
    selection = Selection(None, lib_dir, tmp_path / "cache", {}, DemoModel("tiny", demo_model, golden))
    choice = selection.current()
    assert (choice.found, choice.release) == (file, "b8390")
    status, said = overwritten(choice.file, choice.found, demo_model)
    assert (status, said.count(",")) == (0, 7)

    shutil.copytree(libraries["b8390"].parent, tmp_path / "bare")
    bare = tmp_path / "bare" / file.name
    assert overwritten(bare, bare, demo_model)[0] < 0, "this is what the copy is for"
