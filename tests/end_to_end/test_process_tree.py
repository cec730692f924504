"""Kills the server, a command, and those that work for them by force in every phase: no process of ours is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from openai import APIError, OpenAI

import model_host
import processes
from hoshikage.durable import SUFFIX
from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ
from tests.native.bad_libraries import HANGING, build

LONG: Final = "x " * 3000
PATIENCE_S: Final = 20.0
LOOKS: Final = 100_000
CHECK, RUNNER, TEMPLATE = "hoshikage.runner.check", "hoshikage.runner.main", "hoshikage.runner.template_check"
KEEPER, SLEEPER, TUNE = "hoshikage.keeper.main", "sleeper", "hoshikage.runner.tune"


class House:
    """This is a server whose processes are known, with requests that nobody waits for."""

    def __init__(self, server: LiveServer, home: Path, mark: str) -> None:
        self.server = server
        self._home = home
        self._mark = mark
        self._client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)
        self._pool = ThreadPoolExecutor()

    @property
    def children(self) -> set[int]:
        return processes.marked(self._mark) - {self.server.process.pid}

    def ask(self, content: str = "go", **more: Any) -> Future[Any]:
        return self._pool.submit(self._ask, content, **more)

    def _ask(self, content: str, **more: Any) -> Any:
        messages: Any = [{"role": "user", "content": content}]
        with suppress(APIError):
            return self._client.chat.completions.create(model="endless", messages=messages, temperature=0, **more)

    def stream(self) -> None:
        """Asks for an answer that flows, and waits until it has begun to."""
        messages: Any = [{"role": "user", "content": "go"}]
        self.chunks = iter(self._client.chat.completions.create(model="endless", messages=messages, stream=True))
        for _ in range(2):
            next(self.chunks)

    def admin(self, path: str, body: dict[str, Any]) -> Future[None]:
        return self._pool.submit(self._admin, path, body)

    def _admin(self, path: str, body: dict[str, Any]) -> None:
        token = (self._home / ".config" / "hoshikage" / "admin.token").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.server.url}{path}", json.dumps(body).encode(), headers)
        with suppress(OSError), urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.server.url}/v1/status") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def await_status(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        for _ in range(LOOKS):
            if wanted(self.status()):
                return
        raise AssertionError("the status never came")

    def child(self, module: str) -> int:
        """Returns the process that runs this module, held where it is: what is stopped can be killed like any other."""
        for _ in range(LOOKS):
            for pid in self.children:
                if processes.runs(pid, module):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                        return pid
        raise AssertionError(f"nobody runs {module}")

    def await_program(self, *, asleep: bool) -> None:
        """Until the server's process is the small program of one that sleeps, or is not any more."""
        for _ in range(LOOKS):
            if processes.runs(self.server.process.pid, SLEEPER) is asleep:
                return
        raise AssertionError("it never came")

    def kill(self) -> set[int]:
        """Kills the server, lets those go on that were held, and tells which of them are left after a while."""
        there = self.children
        self.server.process.kill()
        self.server.process.wait()
        for pid in there:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return processes.left(there, PATIENCE_S)

    def close(self) -> None:
        self._pool.shutdown()
        self._client.close()


@contextmanager
def house(folder: Path, library: Path, model: Path, **settings: str) -> Iterator[House]:
    mark = uuid.uuid4().hex
    register(folder, {"endless": model})
    given = {"N_CTX": "8192", "N_BATCH": "64", processes.MARK: mark, **settings}
    with LiveServer(home_environ(folder, library, **given)) as server:
        made = House(server, folder, mark)
        yield made
        made.close()
    assert processes.marked(mark) == set(), "a process is left"


def idle(house: House) -> None:
    house.ask(max_tokens=1).result()


def loading(house: House) -> None:
    house.ask(max_tokens=1)
    house.child(RUNNER)


def prefill(house: House) -> None:
    idle(house)
    house.ask(LONG, max_tokens=2)
    house.await_status(lambda status: status["queue"]["running"] == 1)


def streaming(house: House) -> None:
    house.stream()


def unloading(house: House) -> None:
    idle(house)
    house.child(RUNNER)
    house.admin("/admin/unload", {})


def library_check(house: House) -> None:
    house.ask(max_tokens=1)
    house.child(CHECK)


def started_ahead(house: House) -> None:
    house.await_status(lambda status: status["runner"]["ahead"])


def sleeping(house: House) -> None:
    house.await_program(asleep=True)


def waking(house: House) -> None:
    sleeping(house)
    house.ask(max_tokens=1)
    house.await_program(asleep=False)


def shutting_down(house: House) -> None:
    house.stream()
    house.server.process.send_signal(signal.SIGTERM)
    for _ in range(LOOKS):
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", house.server.port)):
                return
    raise AssertionError("it never closed its port")


def copying(house: House) -> None:
    """Has a model copied to the RAM disk: the server is held when there is something of a copy."""
    idle(house)
    disk = Path(house.server.variable("RAMDISK_PATH"))
    for _ in range(LOOKS):
        if any(file.stat().st_blocks for file in disk.glob("hoshikage-*/*/*")):
            house.server.process.send_signal(signal.SIGSTOP)
            return
    raise AssertionError("nobody copies")


ALONE: Final = (sleeping, shutting_down)
"""The server may have nobody in these phases."""
PHASES: Final = (
    idle, loading, prefill, streaming, unloading, library_check, started_ahead, sleeping, waking, shutting_down,
    copying,
)  # fmt: skip
SLEEPY: Final = {"SLEEP_TIMEOUT": "0.1", "IDLE_TIMEOUT": "0.1"}
SETTINGS: Final[dict[Callable[[House], None], dict[str, str]]] = {
    started_ahead: {"RUNNER_AHEAD": "on"},
    sleeping: SLEEPY,
    waking: SLEEPY,
    shutting_down: {"DRAIN_TIMEOUT": "600"},
}
WEIGHT: Final = 2**28
"""A model of so many bytes takes a while to copy."""


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
def test_a_server_killed_in_any_phase_leaves_nobody(
    phase: Callable[[House], None], tmp_path: Path, library_file: Path, endless_model: Path
) -> None:
    settings = SETTINGS.get(phase, {})
    model = endless_model
    if phase is copying:
        (tmp_path / "ram").mkdir(0o700)
        settings = {"RAMDISK_PATH": str(tmp_path / "ram")}
        model = Path(shutil.copy(model, tmp_path / "weighty.gguf"))
        os.truncate(model, WEIGHT)
    with house(tmp_path, library_file, model, **settings) as killed:
        phase(killed)
        assert killed.children or phase in (*ALONE, waking), "it has somebody to leave behind"
        assert killed.kill() == set()


@pytest.mark.parametrize("ahead", ["off", "on"])
def test_a_server_killed_as_it_starts_leaves_nobody(ahead: str, tmp_path: Path, library_file: Path) -> None:
    """It is killed when Python runs it, and when it has its first child."""
    mark = uuid.uuid4().hex
    environ = home_environ(tmp_path, library_file, **{processes.MARK: mark, "RUNNER_AHEAD": ahead})
    starting = subprocess.Popen(
        [sys.executable, "-m", "hoshikage", "--port", "0"], env={**os.environ, **environ}, stderr=subprocess.DEVNULL
    )
    there: set[int] = set()
    for _ in range(LOOKS):
        there = processes.marked(mark) - {starting.pid}
        if there or (ahead == "off" and processes.runs(starting.pid, "hoshikage")):
            break
    starting.kill()
    starting.wait()
    assert ahead == "off" or there
    assert processes.left(there, PATIENCE_S) == set()
    assert processes.marked(mark) == set()


def test_a_start_takes_away_what_killed_ones_left(tmp_path: Path, library_file: Path) -> None:
    left = tmp_path / ".cache" / "hoshikage" / "verdicts" / f".a.json.0123456789abcdef{SUFFIX}"
    left.parent.mkdir(parents=True)
    left.touch()
    os.utime(left, (1, 1))
    with LiveServer(home_environ(tmp_path, library_file)):
        assert any(not left.exists() for _ in range(LOOKS))


NPM: Final = "#!/bin/sh\nread word < {pipe}\n"
"""This is an npm that waits."""


@pytest.mark.parametrize(
    ("arguments", "child"),
    [(("tune", "endless"), TUNE), (("lib", "install"), "npm"), (("pull", "{url}", "pulled"), TEMPLATE)],
    ids=["tune", "lib install", "pull"],
)
def test_a_command_killed_while_another_works_for_it_leaves_nobody(
    arguments: tuple[str, ...],
    child: str,
    tmp_path: Path,
    library_file: Path,
    endless_model: Path,
    demo_model: Path,
) -> None:
    register(tmp_path, {"endless": endless_model})
    os.mkfifo(tmp_path / "pipe")
    npm = tmp_path / "npm"
    npm.write_text(NPM.format(pipe=tmp_path / "pipe"), encoding="utf-8")
    npm.chmod(0o700)
    mark = uuid.uuid4().hex
    environ = home_environ(tmp_path, library_file, **{processes.MARK: mark})
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    with (
        model_host.giving(demo_model, 0.0) as url,
        subprocess.Popen(
            [sys.executable, "-m", "hoshikage", *(word.format(url=url) for word in arguments)],
            env={**os.environ, **environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as command,
    ):
        there: set[int] = set()
        for _ in range(LOOKS):
            there = processes.marked(mark) - {command.pid}
            if any(processes.runs(pid, child) for pid in there):
                break
        command.kill()
    assert there
    assert processes.left(there, PATIENCE_S) == set()
    assert processes.marked(mark) == set()


@pytest.mark.memory
def test_a_server_killed_while_the_keeper_works_leaves_nobody(
    tmp_path: Path, library_file: Path, demo_model: Path
) -> None:
    with house(tmp_path, library_file, demo_model, MEMORY="on", EMBEDDING_MODEL="endless") as killed:
        killed.ask("My cat is called Mikan.", max_tokens=1)
        killed.child(KEEPER)
        assert killed.kill() == set()


def test_a_server_killed_while_a_library_hangs_leaves_nobody(tmp_path: Path, endless_model: Path) -> None:
    library = tmp_path / "lib" / "libllama.so"
    build(library, HANGING)
    with house(tmp_path, library, endless_model) as killed:
        killed.ask(max_tokens=1)
        killed.child(CHECK)
        assert killed.kill() == set()


def test_a_server_killed_while_a_template_is_examined_leaves_nobody(
    tmp_path: Path, library_file: Path, endless_model: Path, demo_model: Path
) -> None:
    with house(tmp_path, library_file, endless_model) as killed:
        killed.admin("/admin/models/check", {"path": str(demo_model)})
        killed.child(TEMPLATE)
        assert killed.kill() == set()


@pytest.mark.parametrize(
    "phase", [idle, loading, streaming, unloading, library_check], ids=lambda phase: phase.__name__
)
def test_a_child_killed_in_any_phase_leaves_the_server_alone(
    phase: Callable[[House], None], tmp_path: Path, library_file: Path, endless_model: Path
) -> None:
    with house(tmp_path, library_file, endless_model) as kept:
        phase(kept)
        there = kept.children
        for pid in there:
            os.kill(pid, signal.SIGKILL)
        assert processes.left(there, PATIENCE_S) == set()
        kept.ask(max_tokens=1).result()
        assert len(kept.children) <= 1, "the next runner, and nobody else"
