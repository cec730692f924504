"""Tests what is said to systemd, heard on a real datagram socket, and what it hands over: real descriptors of a
process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoshikage.service.notify import Notifier, listen_fds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd's protocol")
PID = os.getpid()
ROOT = Path(__file__).resolve().parent.parent.parent
SERVES_ONE = """
import os, sys
from hoshikage.errors import UsageError
from hoshikage.service.notify import listen_fds
try:
    found = listen_fds(os.environ, os.getpid())
except UsageError as error:
    sys.exit(f"{error.key} {error.details['fd']}")
print(*(ready.getsockname()[1] for ready in found), *(os.get_inheritable(ready.fileno()) for ready in found))
"""


PLACES = """
import fcntl, os, sys
program, pid, *given = sys.argv[1:]
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in given]
for fd in given:
    os.close(int(fd))
for place, fd in enumerate(high, start=3):
    os.dup2(fd, place)
    os.close(fd)
os.environ["LISTEN_PID"] = pid if pid != "0" else str(os.getpid())
os.execv(sys.executable, [sys.executable, "-c", program])
"""


class Manager:
    """This is the listening end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address}
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.line.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.line.settimeout(20)

    def heard(self) -> str:
        return self.line.recv(4096).decode()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.line.close()


def test_ready_and_stopping_are_told(manager: Manager) -> None:
    notifier = Notifier.of(manager.environ, PID)
    notifier.ready("http://127.0.0.1:3030\n準備 完了")
    assert manager.heard() == "READY=1\nSTATUS=http://127.0.0.1:3030 準備 完了"
    notifier.stopping(1.5)
    assert manager.heard() == "STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_an_abstract_socket_is_reached() -> None:
    manager = Manager(f"@hoshikage-test-{PID}")
    Notifier.of(manager.environ, PID).ready("")
    assert manager.heard() == "READY=1\nSTATUS="
    manager.line.close()


async def test_the_watchdog_is_fed_until_the_end(manager: Manager) -> None:
    notifier = Notifier.of({**manager.environ, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": str(PID)}, PID)
    assert notifier.ping_every_s == 0.001
    feeding = asyncio.create_task(notifier.keep_alive())
    heard = [await asyncio.to_thread(manager.heard) for _ in range(3)]
    assert heard == ["WATCHDOG=1"] * 3
    feeding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feeding


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}],
)
async def test_without_a_watchdog_nothing_is_fed(environ: dict[str, str], manager: Manager) -> None:
    notifier = Notifier.of({**manager.environ, **environ}, PID)
    assert notifier.ping_every_s is None
    await notifier.keep_alive()
    manager.line.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.heard()


async def test_without_a_manager_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier.of({"WATCHDOG_USEC": "2000"}, PID)
    notifier.ready("x")
    notifier.stopping(1.5)
    await notifier.keep_alive()
    assert caplog.records == []


def test_a_manager_that_is_gone_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}, PID).ready("x")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "READY=1" in record.getMessage()


def handed_over(*given: socket.socket, pid: int | None = None, count: int | None = None) -> tuple[int, str, str]:
    """Runs a process whose descriptors from 3 on are `given`, as systemd starts one: exit status, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-c", PLACES, SERVES_ONE, str(pid or 0), *(str(item.fileno()) for item in given)],
        pass_fds=[item.fileno() for item in given],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LISTEN_FDS": str(len(given) if count is None else count)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip()


@pytest.mark.process
def test_handed_over_sockets_are_taken_and_not_passed_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = f"{one.getsockname()[1]} {two.getsockname()[1]}"
        assert handed_over(one, two) == (0, f"{ports} False False", "")


@pytest.mark.process
def test_sockets_of_another_process_are_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ready:
        assert handed_over(ready, pid=1) == (0, "", "")


@pytest.mark.parametrize("environ", [{}, {"LISTEN_PID": str(PID)}, {"LISTEN_PID": str(PID), "LISTEN_FDS": "-1"}])
def test_nothing_handed_over(environ: dict[str, str]) -> None:
    assert listen_fds(environ, PID) == ()


@pytest.mark.process
def test_what_is_no_listening_socket_is_refused() -> None:
    with socket.socket() as idle, socket.create_server(("127.0.0.1", 0)) as ready:
        assert handed_over(idle) == (1, "", "service.bad_descriptor 3")
        assert handed_over(ready, count=2) == (1, "", "service.bad_descriptor 4")
