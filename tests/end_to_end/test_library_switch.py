"""Tests `lib use` between two releases under running clients: no request lost, each answer names its library."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from openai import OpenAI

from hoshikage.cli.main import main
from hoshikage.registry import OwnOptions, Registry
from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ

SWITCHES: Final = 100
CLIENTS: Final = 2
LABELS: Final = ("first", "second")
"""These are two labels of one file with settings of their own, by turns, so that nearly every request is a new load."""


class Client(threading.Thread):
    """Asks one request after the other until it is told to stop; `answered` is released at each answer."""

    def __init__(self, url: str, answered: threading.Semaphore, stop: threading.Event) -> None:
        super().__init__()
        self._url = url
        self._answered = answered
        self._stop_asking = stop
        self.libraries: Counter[str] = Counter()
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with OpenAI(base_url=f"{self._url}/v1", api_key="none", max_retries=0, timeout=120) as client:
                for turn in range(100_000):
                    if self._stop_asking.is_set():
                        return
                    answer = client.chat.completions.with_raw_response.create(
                        model=LABELS[turn % 2],
                        messages=[{"role": "user", "content": "こんにちは"}],
                        max_tokens=2,
                        temperature=0,
                    )
                    self.libraries[answer.headers["X-Hoshikage-Library"]] += 1
                    self._answered.release()
        except Exception as error:  # noqa: BLE001 - told by the test, whatever it is
            self.failure = error
            self._answered.release(SWITCHES * CLIENTS)


def test_no_request_is_lost_while_libraries_are_switched(
    tmp_path: Path, home: Path, libraries: dict[str, Path], demo_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = ("b8390", "v0.5.0")
    for release in used:
        folder = home / ".config" / "hoshikage" / "lib-slots" / release
        folder.mkdir(parents=True)
        for file in libraries[release].parent.iterdir():
            if file.suffix != ".node":
                shutil.copy(file, folder)
    register(home, dict.fromkeys(LABELS, demo_model))
    registry = Registry(home / ".config" / "hoshikage" / "model_map.json")
    registry.add(LABELS[1], demo_model, (), OwnOptions({"n_ctx": 200}))
    monkeypatch.delenv("HOSHIKAGE_LIB_PATH", raising=False)
    assert main(["lib", "use", used[0]]) == 0
    environ = home_environ(home, tmp_path, N_CTX="256")
    del environ["HOSHIKAGE_LIB_PATH"]
    answered, stop = threading.Semaphore(0), threading.Event()
    with LiveServer(environ) as server:
        clients = [Client(server.url, answered, stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for switch in range(SWITCHES):
                assert main(["lib", "use", used[(switch + 1) % 2]]) == 0
                assert answered.acquire(timeout=120), "no answer came"
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert server.process.poll() is None
    assert [client.failure for client in clients] == [None] * CLIENTS
    libraries_named = sum((client.libraries for client in clients), Counter[str]())
    assert set(libraries_named) == {f"{release}+cpu" for release in used}
    assert libraries_named.total() >= SWITCHES
