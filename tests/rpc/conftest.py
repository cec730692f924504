"""Makes a set of libraries with ggml's RPC backend, and runs its real server on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

import rpc_backend

ROOT: Final = Path(__file__).resolve().parent.parent.parent
START_S: Final = 60


@pytest.fixture(scope="session")
def rpc_library(library_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Puts the newest library into a folder with the RPC backend that was built for it."""
    folder = tmp_path_factory.mktemp("rpc")
    for file in library_file.parent.glob("*.so"):
        (folder / file.name).symlink_to(file)
    (folder / rpc_backend.NAME).symlink_to(rpc_backend.built(library_file.parent))
    return folder / library_file.name


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the server, ready to be connected to."""
    command = [sys.executable, "-m", "tests.rpc.server", str(folder), f"127.0.0.1:{port}"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ) as process:
        try:
            until = time.monotonic() + START_S
            while not _listens(port):
                assert process.poll() is None
                assert time.monotonic() < until
            yield process
        finally:
            process.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True
