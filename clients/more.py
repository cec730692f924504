"""Brings the programs of the clients' lane that need a Node.js of their own, at the versions that were tried. Test
thread."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clients.pinned import BRING_S, CACHE

NPM: Final[Mapping[str, str]] = {
    "@earendil-works/pi-coding-agent": "1.6.0",
    "@github/copilot": "1.0.102",
    "cline": "3.0.65",
    "node": "22.23.3",
}
"""pi needs Node.js 22, which the last package is."""


def node_folder() -> Path:
    """Returns a folder whose node_modules holds the programs; it is there as a whole, or not at all."""
    folder = CACHE / f"npm-{hashlib.sha256(json.dumps(NPM).encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        npm = shutil.which("npm")
        assert npm is not None, "npm is not there"
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=".new-") as name:
            made = Path(name) / "made"
            made.mkdir()
            (made / "package.json").write_text(json.dumps({"private": True}), "utf-8")
            wanted = [f"{package}@{version}" for package, version in NPM.items()]
            command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", *wanted]
            done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=BRING_S, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            made.rename(folder)
    return folder
