"""Tests a runner that dies by any signal, in any phase: the port stays open, what waits is answered."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai import OpenAI

from hoshikage.dispatch.runner import LATE_S
from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ

SIGNALS: Final = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE)
LONG: Final = "x " * 3000
"""A prompt whose processing takes the endless model a good part of a second."""
MAX_LOOKS: Final = 100_000


class Patient:
    """This is a server with one model, and what the tests do to its runner."""

    def __init__(self, server: LiveServer, model: Path, home: Path) -> None:
        self.server = server
        self.home = home
        self.model = model
        self.client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.server.url}/v1/status") as answer:
            status: dict[str, Any] = json.load(answer)
        return status

    def await_status(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Looks until the status is as wanted; every look also shows that the port is open."""
        for _ in range(MAX_LOOKS):
            status = self.status()
            if wanted(status):
                return status
        raise AssertionError(f"the status never came: {status}")

    def kill(self, number: signal.Signals) -> None:
        pid = self.status()["runner"]["pid"]
        os.kill(pid, number)
        self.await_status(lambda status: status["runner"]["pid"] != pid)

    def ask(self, content: str = "go", **more: Any) -> Any:
        return self.client.chat.completions.create(
            model="endless", messages=[{"role": "user", "content": content}], temperature=0, **more
        )

    def unload(self) -> None:
        """Unloads as `hoshikage unload` asks for it."""
        token = (self.home / ".config" / "hoshikage" / "admin.token").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.server.url}/admin/unload", b"{}", headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    def forgive(self) -> None:
        """Changes the file, which lifts the quarantine that so many crashes bring."""
        os.utime(self.model)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory, library_file: Path, endless_model: Path) -> Iterator[Patient]:
    home = tmp_path_factory.mktemp("home")
    model = home / "endless.gguf"
    shutil.copyfile(endless_model, model)
    register(home, {"endless": model})
    with LiveServer(home_environ(home, library_file, N_CTX="8192", N_BATCH="64")) as server:
        yield Patient(server, model, home)


@pytest.mark.parametrize("number", SIGNALS)
class TestRunnerKilled:
    def test_while_idle(self, patient: Patient, number: signal.Signals) -> None:
        patient.ask(max_tokens=1)
        patient.kill(number)
        assert patient.ask(max_tokens=2).usage.completion_tokens == 2
        patient.forgive()

    def test_while_loading(self, patient: Patient, number: signal.Signals) -> None:
        patient.ask(max_tokens=1)
        patient.forgive()  # the changed file means a new load
        with ThreadPoolExecutor() as pool:
            request = pool.submit(patient.ask, max_tokens=2)
            patient.await_status(lambda status: status["model"]["state"] == "loading" and status["runner"]["pid"])
            patient.kill(number)
            assert request.result().usage.completion_tokens == 2
        patient.forgive()

    def test_in_prefill(self, patient: Patient, number: signal.Signals) -> None:
        patient.ask(max_tokens=1)
        with ThreadPoolExecutor() as pool:
            request = pool.submit(patient.ask, LONG, max_tokens=2)
            patient.await_status(lambda status: status["queue"]["running"] == 1)
            waiting = pool.submit(patient.ask, max_tokens=1)
            patient.await_status(lambda status: status["queue"]["waiting"] == 1)
            patient.kill(number)
            assert request.result().usage.completion_tokens == 2, "nothing was sent yet: it is run once more"
            assert waiting.result().usage.completion_tokens == 1
        patient.forgive()

    @pytest.mark.parametrize("tokens_before", [1, 8], ids=["at the first token", "in mid-stream"])
    def test_after_text_was_sent(self, patient: Patient, number: signal.Signals, tokens_before: int) -> None:
        with ThreadPoolExecutor() as pool:
            chunks = iter(patient.ask(stream=True))
            for _ in range(tokens_before + 1):
                next(chunks)
            waiting = pool.submit(patient.ask, max_tokens=1)
            patient.await_status(lambda status: status["queue"]["waiting"] == 1)
            patient.kill(number)
            with pytest.raises(openai.APIError) as broken:
                list(chunks)
            assert broken.value.code == "model_crashed"
            assert waiting.result().usage.completion_tokens == 1
        patient.forgive()

    def test_while_unloading(self, patient: Patient, number: signal.Signals) -> None:
        patient.ask(max_tokens=1)
        pid = patient.status()["runner"]["pid"]
        os.kill(pid, signal.SIGSTOP)  # it cannot leave by itself, so the unload waits for it
        with ThreadPoolExecutor() as pool:
            unloading = pool.submit(patient.unload)
            patient.await_status(lambda status: status["model"]["state"] == "unloaded")
            with suppress(ProcessLookupError):  # the server may have ended it by then: it waits only so long
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
            unloading.result()
        assert patient.ask(max_tokens=2).usage.completion_tokens == 2
        patient.forgive()


def test_the_log_keeps_the_signal_and_no_prompt(patient: Patient) -> None:
    patient.ask("a secret of mine", max_tokens=1)
    patient.kill(signal.SIGABRT)
    assert any("SIGABRT" in line for line in patient.server.log)
    assert not any("secret" in line for line in patient.server.log)


WATCHDOG_S: Final = 2.0
PAUSE_S: Final = WATCHDOG_S + LATE_S + 0.5


def test_a_pause_of_the_machine_is_no_hang(tmp_path: Path, library_file: Path, endless_model: Path) -> None:
    register(tmp_path, {"endless": endless_model})
    environ = home_environ(tmp_path, library_file, N_CTX="8192", WATCHDOG_TIMEOUT=str(WATCHDOG_S))
    with LiveServer(environ) as server:
        paused = Patient(server, endless_model, tmp_path)
        chunks = iter(paused.ask(stream=True))
        next(chunks)
        runner = paused.status()["runner"]["pid"]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in (server.process.pid, runner):
                os.kill(pid, number)
            if number is signal.SIGSTOP:
                threading.Event().wait(PAUSE_S)
        for _ in range(20):
            next(chunks)
        status = paused.status()
        assert (status["runner"]["pid"], status["totals"]["crashes"]) == (runner, 0)
        paused.client.close()


def test_a_crash_leaves_no_orphan(tmp_path: Path, library_file: Path, endless_model: Path) -> None:
    """The server is killed by force: its runner must not outlive it."""
    register(tmp_path, {"endless": endless_model})
    with LiveServer(home_environ(tmp_path, library_file)) as server:
        orphan = Patient(server, endless_model, tmp_path)
        orphan.ask(max_tokens=1)
        pid = orphan.status()["runner"]["pid"]
        watch = os.pidfd_open(pid)
        server.process.kill()
        assert select.select([watch], [], [], 10)[0], "the runner is still there"
        os.close(watch)
