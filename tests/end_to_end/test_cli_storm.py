"""Runs 32 processes with mixed commands, with the server alive and without: nothing is lost.

In CI each runs 25 commands; HOSHIKAGE_STORM=250 is the full storm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from hoshikage.registry import Registry
from tests.end_to_end import cli_storm
from tests.end_to_end.live import LiveServer, home_environ

PROCESSES: Final = 32
OPERATIONS: Final = int(os.environ.get("HOSHIKAGE_STORM", "25"))


def run_one(number: int, model: Path, environ: Mapping[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.end_to_end.cli_storm", str(number), str(OPERATIONS), str(model)],
        cwd=Path(cli_storm.__file__).parents[2],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    labels: list[str] = json.loads(done.stdout)
    return labels


@pytest.mark.parametrize("server_alive", [False, True], ids=["on the file", "through the server"])
def test_nothing_is_lost(tmp_path: Path, library_file: Path, demo_model: Path, server_alive: bool) -> None:
    environ = home_environ(tmp_path, library_file)
    with ExitStack() as stack:
        if server_alive:
            server = stack.enter_context(LiveServer(environ))
            environ = {**environ, "PORT": str(server.port)}
        else:
            environ = {**environ, "PORT": "1"}  # nobody serves there
        environ = {**os.environ, **environ}
        with ThreadPoolExecutor(PROCESSES) as pool:
            kept = pool.map(lambda number: run_one(number, demo_model, environ), range(PROCESSES))
            expected = {label for labels in kept for label in labels}
    registry = Registry(tmp_path / ".config" / "hoshikage" / "model_map.json")
    assert {spec.label for spec in registry.specs()} == expected
    assert registry.problems() == ()
    assert len(expected) > PROCESSES // 2
    stray = [file.name for file in registry.file.parent.iterdir() if ".tmp" in file.name or ".part" in file.name]
    assert stray == []
