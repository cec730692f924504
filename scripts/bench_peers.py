"""Brings llama-server to measure beside: where it lies beside the library it is of the same build, else it is installed
into an environment of its own. Main thread."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from screen import ROOT
from serving import wait_until

FOLDER: Final = ROOT / ".cache" / "bench-peers" / "venv"
PACKAGES: Final = ("xllamacpp", "matplotlib")


def peer(library: Path) -> Path | None:
    """Returns llama-server beside the library, or a Python that has PACKAGES, installed where they are not; None where
    neither can be had."""
    beside = library.with_name("llama-server")
    return beside if beside.is_file() else environment()


def environment() -> Path | None:
    """Returns the Python that has PACKAGES, installed where they are not; None where they cannot be had."""
    python = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not _has(python):
        made = subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], capture_output=True, check=False)
        if made.returncode == 0:
            subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], capture_output=True, check=False)
    return python if _has(python) else None


@contextmanager
def llama_server(found: Path, model: Path, slots: int, n_ctx: int) -> Iterator[str]:
    """Runs llama-server as `peer` found it, and yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    is_own = found.name == "llama-server"
    script = [str(ROOT / "scripts" / "bench_peer.py"), str(model), str(port), str(slots), str(n_ctx)]
    options = ["-m", str(model), "--host", "127.0.0.1", "--port", str(port), "-np", str(slots), "-c", str(n_ctx)]
    command = [str(found), *(options if is_own else script)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL if is_own else subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        try:
            if process.stdout is not None:
                process.stdout.readline()
            url = f"http://127.0.0.1:{port}/health"
            wait_until(lambda: _answers(url), "server_silent", output="llama-server")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            if is_own:
                process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _has(python: Path) -> bool:
    code = "import " + ", ".join(PACKAGES)
    return (
        python.exists() and subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False
