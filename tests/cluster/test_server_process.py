"""Tests a replica's server: it outlives the thread that wanted it, and ends with the process that it works for. No
Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path
from typing import Final

import pytest

import processes
from hoshikage.cluster.server_process import ServerProcess

pytestmark = pytest.mark.process

PATIENCE_S: Final = 20.0
SERVER: Final = (sys.executable, "-m", "hoshikage", "serve", "--host", "127.0.0.1", "--port", "0")
ACTOR: Final = """
import os, sys, threading
from hoshikage.cluster.server_process import ServerProcess

server = ServerProcess(sys.argv[1:], os.environ, None)
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
print(server.pid, server.port, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_replica_takes_its_server_with_it(number: signal.Signals, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with subprocess.Popen(
        [sys.executable, "-c", ACTOR, *SERVER],
        env={**os.environ, "HOME": str(tmp_path), processes.MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as actor:
        assert actor.stdout is not None
        server, port = map(int, actor.stdout.readline().split())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            assert json.load(answer)["status"] == "ok", "the thread that wanted it has ended, and it has not"
        there = processes.marked(mark)
        assert server in there
        actor.send_signal(number)
    assert processes.left(there, PATIENCE_S) == set()
    assert processes.marked(mark) == set()


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    words = "import sys; sys.exit('no such thing')"
    server = ServerProcess((sys.executable, "-c", words), os.environ, str(tmp_path))
    with pytest.raises(RuntimeError, match="no such thing"):
        server.start()
    assert server.wait(PATIENCE_S)
    assert server.status == 1


def test_it_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    server = ServerProcess(SERVER, {**os.environ, "HOME": str(tmp_path)}, str(tmp_path / "nowhere"))
    server.start()
    running = server.status
    server.end()
    assert running is None
    assert server.status is not None
    server.end()
