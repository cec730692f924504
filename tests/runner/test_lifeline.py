"""A process of ours ends with the one that started it, however that ends, and by its own alarm."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Final

import pytest

from hoshikage.library import child

pytestmark = pytest.mark.process

MARK: Final = "HOSHIKAGE_TEST_TREE"
PATIENCE_S: Final = 20
WAITS: Final = (
    "import sys\n\n\ndef main(_argv=None):\n    print('here', flush=True)\n    sys.stdin.read()\n    return 0\n"
)
"""Such a child says that it is there and waits: its standard input never ends as long as the test lives."""
STARTS: Final = {
    "an examination": "subprocess.Popen(child.command('waits', 600), stdin=0)",
    "somebody else's program": "subprocess.Popen(child.tied([sys.executable, '-c', OTHER]), stdin=0)",
    "what works for a server": "subprocess.Popen(launch.command('waits'), stdin=0)",
    "from a thread": "start_in_thread(lambda: subprocess.run(child.command('waits', 600), stdin=0))",
}
PARENT: Final = """
import subprocess, sys, threading
from hoshikage.library import child
from hoshikage.runner import launch

OTHER = "print('here', flush=True); import sys; sys.stdin.read()"

def start_in_thread(action):
    threading.Thread(target=action).start()

{start}
threading.Event().wait()
"""


def tree(mark: str) -> set[int]:
    """Returns the processes that have the mark in their environment."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "waits.py").write_text(WAITS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_nothing_is_left_when_the_parent_is_killed(start: str, number: signal.Signals, folder: Path) -> None:
    mark = uuid.uuid4().hex
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(start=STARTS[start])],
        env={**os.environ, MARK: mark, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == b"here\n"
    children = tree(mark) - {parent.pid}
    assert children
    watches = [os.pidfd_open(child) for child in children]
    parent.send_signal(number)
    parent.wait(PATIENCE_S)
    for watch in watches:
        assert select.select([watch], [], [], PATIENCE_S)[0], "a process is left"
        os.close(watch)
    assert not tree(mark)
    parent.stdin.close()
    parent.stdout.close()


def test_its_own_alarm_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.library.child.SPARE_S", 0)
    monkeypatch.syspath_prepend(str(folder))
    done = subprocess.Popen(child.command("waits", 1), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert done.wait(PATIENCE_S) == -signal.SIGALRM
    for pipe in (done.stdin, done.stdout):
        assert pipe is not None
        pipe.close()


def test_one_whose_parent_is_gone_already_does_nothing() -> None:
    code = "from hoshikage.runner.lifeline import tie; tie(1, 60); print('went on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"")
