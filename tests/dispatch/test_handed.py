"""Tests a runner that was started before the server's program: it is taken over, or it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

import processes
from hoshikage.dispatch import standby as module
from hoshikage.dispatch.handed import HandedHost, HandedProcess
from hoshikage.dispatch.host import Exit
from hoshikage.dispatch.making import process_host
from hoshikage.dispatch.standby import StandbyRunner
from hoshikage.errors import ShuttingDown
from hoshikage.library.selection import SelectedLibrary
from hoshikage.sleeper.runner import spawned
from tests.dispatch.fake_host import FakeLibraries

pytestmark = pytest.mark.process
LAST_WORDS = "import sys; sys.stderr.write('so it was\\n'); sys.exit(3)"
OPEN = "import os, sys; sys.stderr.write(' '.join(sorted(os.listdir('/proc/self/fd'))) + '\\n'); sys.exit(0)"
LISTENING = "import sys; sys.stdin.read()"


def handed(code: str) -> HandedProcess:
    return HandedProcess(*spawned([sys.executable, "-I", "-S", "-c", code], {}))


async def ended(process: HandedProcess) -> Exit:
    told: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
    host = HandedHost(process, lambda _event: None, told.set_result)
    await host.start()
    assert host.pid == process.pid
    return await asyncio.wait_for(told, 60)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_its_end_is_told_with_its_last_words() -> None:
    assert await ended(handed(LAST_WORDS)) == Exit("exit status 3", ("so it was",))


async def test_an_end_by_force_is_told_as_such() -> None:
    process = handed(LISTENING)
    os.kill(process.pid, signal.SIGKILL)
    assert (await ended(process)).reason == "SIGKILL"


async def test_it_has_nothing_but_its_pipes() -> None:
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        told = await ended(handed(OPEN))
        assert told == Exit("exit status 0", ("0 1 2 3",)), "the last one is the look itself"
        assert os.get_inheritable(read), "the next program of this process still has it"
    finally:
        os.close(read)
        os.close(write)


async def test_who_stops_it_waits_until_it_is_gone() -> None:
    process = handed(LISTENING)
    host = HandedHost(process, lambda _event: None, lambda gone: pytest.fail(gone.reason))
    await host.start()
    await asyncio.wait_for(host.stop(), 60)
    assert is_gone(process.pid)


def test_one_that_nobody_takes_over_ends() -> None:
    process = handed(LISTENING)
    process.end()
    assert is_gone(process.pid)


def library(file: Path, fingerprint: str = "one") -> SelectedLibrary:
    return SelectedLibrary(file, file, "config", "here", fingerprint, "v0.5.0", ())


def standby(*, wanted: bool = False) -> StandbyRunner:
    return StandbyRunner(FakeLibraries(), process_host, 0.0, wanted=wanted)


async def left_by(choice: SelectedLibrary) -> tuple[StandbyRunner, HandedProcess]:
    """Returns what the next server has, which goes on from one whose last load took this library."""
    before, after = standby(), standby()
    assert await before.take(choice) is None
    start, kept = await asyncio.to_thread(before.to_start), before.kept()
    assert start is not None
    assert str(choice.file) in start.files
    process = HandedProcess(*spawned(start.command, start.environ))
    after.restore(kept, process)
    return after, process


async def test_a_load_takes_it_where_its_library_is_the_one(library_file: Path) -> None:
    after, process = await left_by(library(library_file))
    runner = await after.take(library(library_file))
    assert runner is not None
    assert runner.pid == process.pid
    assert runner.library is not None
    await runner.stop(ShuttingDown("dispatch.shutting_down"))
    assert is_gone(process.pid)


async def test_one_with_another_library_is_ended(library_file: Path) -> None:
    after, process = await left_by(library(library_file))
    assert await after.take(library(library_file, "another")) is None
    assert is_gone(process.pid)


async def test_it_does_not_wait_for_ever_where_no_runner_is_wanted_ahead(
    library_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNWANTED_S", 0.0)
    after, process = await left_by(library(library_file))
    starting = after._starting
    assert starting is not None
    await asyncio.wait((starting,))
    assert await asyncio.to_thread(processes.left, {process.pid}, 60) == set()
    dropping = after._starting
    assert dropping is not None
    await asyncio.wait((dropping,))
    assert (after.pid, is_gone(process.pid)) == (None, True)


async def test_a_server_that_never_loaded_has_nothing_to_start() -> None:
    assert standby().to_start() is None
    assert standby().kept() is None
