"""Tests fifteen kinds of bad library: what `lib check` says of each; a server answers 503 until a good one is there."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hoshikage.registry import OwnOptions, Registry
from tests.end_to_end.live import LiveServer, home_environ
from tests.native.bad_libraries import KINDS

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(sys.platform != "linux", reason="the broken files are made of Linux ones"),
]

REMEDY = ("hoshikage lib install", "Put ", "Keep the files", "Check ", "Unset", "unset")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def as_an_ordinary_user(act: Callable[[], object]) -> None:
    """Runs `act` in a thread whose child processes must obey file permissions, also where the tests run as root."""

    def run() -> None:
        if os.geteuid() == 0:
            system = ctypes.CDLL(None, use_errno=True)
            for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
                assert system.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
        act()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


class Bench:
    """This is a user's home, the place of the library, and a server that was started while nothing was there."""

    def __init__(self, home: Path, model: Path) -> None:
        self.place = home / "library"
        self.environ = home_environ(home, self.place, N_CTX="256", LIBRARY_TIMEOUT="5")
        self.labels = iter(f"model-{number}" for number in range(2 * len(KINDS)))
        registry = Registry(home / ".config" / "hoshikage" / "model_map.json")
        for number in range(2 * len(KINDS)):  # settings of its own for each chat make each a load of its own
            registry.add(f"model-{number}", model, (), OwnOptions({"n_ctx": 256 - number}))
        self.server = LiveServer(self.environ)

    def checked(self) -> tuple[int, dict[str, Any]]:
        done: list[subprocess.CompletedProcess[str]] = []
        command = [sys.executable, "-m", "hoshikage", "lib", "check", "--json"]

        def check() -> None:
            environ = {**os.environ, **self.environ}
            done.append(subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False))

        as_an_ordinary_user(check)
        assert done[0].stderr == ""
        return done[0].returncode, json.loads(done[0].stdout)

    def chat(self) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        body = {"model": next(self.labels), "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    def clear(self) -> None:
        if self.place.exists():
            shutil.rmtree(self.place)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, _demo: Any) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("home"), _demo.model)
    as_an_ordinary_user(bench.server.__enter__)
    yield bench
    bench.server.__exit__(None, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_library_is_named_with_its_remedy_and_a_good_one_mends_it(
    kind: str, bench: Bench, libraries: dict[str, Path]
) -> None:
    make, key = KINDS[kind]
    bench.clear()
    make(bench.place, libraries)
    status, found = bench.checked()
    said = found.get("error") or found["verdict"]
    assert (status, found["usable"], said["key"]) == (1, False, key), found
    assert str(bench.place) in said["message"]
    assert any(words in said["message"] for words in REMEDY), said["message"]

    code, answer = bench.chat()
    assert code == 503, answer
    assert answer["error"]["code"] == "library_unavailable"
    assert str(bench.place) not in answer["error"]["message"], "where files lie is told to admins alone"
    assert any(name in answer["error"]["message"] for name in (bench.place.name, "libllama", "ggml"))
    assert any(words in answer["error"]["message"] for words in REMEDY), answer["error"]["message"]

    bench.clear()
    shutil.copytree(libraries["v0.5.0"].parent, bench.place)
    code, answer = bench.chat()
    assert (code, answer.get("error")) == (200, None)
