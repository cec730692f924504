"""The built page is what its sources make, byte for byte; its types hold; the lock file pins everything by its hash."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage import page
from tests.page.conftest import LOCK

BUILD_S: Final = 120
pytestmark = [pytest.mark.page, pytest.mark.process]


def test_the_committed_files_are_what_the_sources_make(packages: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["node", "build.mjs", str(tmp_path / "static")],
        cwd=packages, capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    made = {file.name: file.read_bytes() for file in (tmp_path / "static").iterdir()}
    kept = {file.name: file.read_bytes() for file in page.STATIC.iterdir()}
    assert made.keys() == kept.keys(), "run `node build.mjs` in web/"
    assert [name for name in made if made[name] != kept[name]] == []
    told = next(line for line in done.stdout.splitlines() if "at the first open" in line)
    assert int(told.split()[0]) <= 250 * 1024


def test_the_types_hold(packages: Path) -> None:
    done = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=packages, capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_every_package_is_pinned_by_its_hash_and_none_by_an_address() -> None:
    lock: dict[str, Any] = json.loads(LOCK.read_text("utf-8"))
    found = {name: about for name, about in lock["packages"].items() if name}
    assert all(about["integrity"].startswith("sha512-") for about in found.values())
    assert "://" not in json.dumps([{**about, "funding": None} for about in found.values()])
    wanted = lock["packages"][""]["devDependencies"]
    assert all(version[0].isdigit() for version in wanted.values())
