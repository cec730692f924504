"""Brings the clients of the lane, at the versions that were tried, and knows where they are kept. Test thread.

They are brought once, by npm and pip, into environments of their own: they would quarrel with the tests' packages.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.conftest import ROOT

CACHE: Final = ROOT / ".cache" / "clients"
BRING_S: Final = 900
NPM: Final[Mapping[str, str]] = {
    "@openai/codex": "0.171.0",
    "@anthropic-ai/claude-code": "2.1.332",
    "opencode-ai": "1.18.33",
    "@qwen-code/qwen-code": "0.24.4",
    "@continuedev/cli": "1.5.47",
    "ai": "7.0.173",
    "@ai-sdk/openai": "4.0.118",
    "@ai-sdk/openai-compatible": "3.0.92",
    "@ai-sdk/anthropic": "4.0.105",
    "ollama": "0.6.4",
}
PYPI: Final[Mapping[str, str]] = {
    "openai": "3.57.0",
    "openai-agents": "0.24.0",
    "litellm": "1.110.2",
    "langchain": "1.5.2",
    "langchain-openai": "1.7.4",
    "langchain-anthropic": "1.7.10",
    "langchain-ollama": "1.1.0",
    "pydantic-ai-slim": "2.68.0",
    "ollama": "0.6.3",
}
LM_EVAL: Final[Mapping[str, str]] = {"lm_eval[api]": "0.4.13"}
AIDER: Final[Mapping[str, str]] = {"aider-chat": "0.86.2"}
OPEN_RESPONSES: Final[Mapping[str, str]] = {"openresponses-types": "2.4.0"}
"""OpenResponses has its specification as types here: what a Response must have is looked at with them."""


def npm_folder() -> Path:
    """Returns a folder whose node_modules holds the Node clients."""
    folder = CACHE / f"npm-{_digest(NPM)}"
    if not folder.is_dir():
        npm = shutil.which("npm")
        assert npm is not None, "npm is not there"
        with _made(folder) as made:
            (made / "package.json").write_text(json.dumps({"private": True}), "utf-8")
            wanted = [f"{name}@{version}" for name, version in NPM.items()]
            _run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock", *wanted], made)
    return folder


def python(packages: Mapping[str, str]) -> Path:
    """Returns the interpreter of an environment with these packages."""
    folder = CACHE / f"pypi-{_digest(packages)}"
    ready = folder / "ready"
    if not ready.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], ROOT)
        wanted = [f"{name}=={version}" for name, version in packages.items()]
        _run([str(_interpreter(folder)), "-m", "pip", "install", "-q", *wanted], ROOT)
        ready.touch()
    return _interpreter(folder)


def _interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Makes a folder that is there as a whole, or not at all."""
    CACHE.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=CACHE, prefix=".new-"))
    try:
        yield new
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _digest(packages: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()[:12]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BRING_S, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
