"""Brings what the page's lane needs beside the libraries: its packages from npm, Debian's Chromium, Debian's
Prometheus."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
WEB: Final = ROOT / "web"
LOCK: Final = WEB / "package-lock.json"
INSTALL_S: Final = 600


def brought(program: str, package: str) -> str:
    """Returns the program's path; where there is none, Debian's package is installed, as `.ci/run` does with its
    tools."""
    if (found := shutil.which(program)) is not None:
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        pytest.fail(f"There is no {program}: install the package {package}.", pytrace=False)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (("update", "-q"), ("install", "-qy", "--no-install-recommends", package)):
        subprocess.run([apt, *arguments], check=True, env=quiet, timeout=INSTALL_S, stdout=subprocess.DEVNULL)
    found = shutil.which(program)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def packages() -> Path:
    """Returns `web/` with what its lock file names, by its hashes, and nothing of it run while it is installed."""
    kept = WEB / "node_modules" / ".of-lock"
    if not kept.is_file() or kept.read_bytes() != LOCK.read_bytes():
        npm = shutil.which("npm")
        if npm is None:
            pytest.fail("There is no npm: install Node.js 20 or newer with npm.", pytrace=False)
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=WEB, check=True, timeout=INSTALL_S
        )
        kept.write_bytes(LOCK.read_bytes())
    return WEB


@pytest.fixture(scope="session")
def chromium() -> str:
    return brought("chromium", "chromium")


@pytest.fixture(scope="session")
def prometheus() -> str:
    return brought("prometheus", "prometheus")
