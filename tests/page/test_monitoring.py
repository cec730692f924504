"""The real Prometheus, with the shipped configuration, watches a server under load and is asked the board's queries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from openai import OpenAI

from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ
from tests.page.conftest import ROOT

GRAFANA: Final = ROOT / "deploy" / "grafana"
BOARD: Final = json.loads((GRAFANA / "hoshikage.json").read_text("utf-8"))
QUERIES: Final = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
WINDOW: Final = "20s"
"""This stands in place of Grafana's $__rate_interval, with a look each second."""
PATIENCE_S: Final = 120.0
pytestmark = [pytest.mark.page, pytest.mark.process]


class Watcher:
    """This is a running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **query: str) -> Any:
        address = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def ask(self, query: str) -> list[Any]:
        found: list[Any] = self.get("query", query=query)["result"]
        return found


def until(true: Callable[[], bool], what: str) -> None:
    """Looks again and again, for as long as is reasonable."""
    moment = threading.Event()
    for _ in range(int(PATIENCE_S / 0.25)):
        try:
            if true():
                return
        except OSError:  # it is not up yet
            pass
        moment.wait(0.25)
    raise AssertionError(what)


@contextmanager
def watching(program: str, port: int, server: str, folder: Path) -> Iterator[Watcher]:
    """Runs Prometheus with the shipped files, but for the address, the token's place and the pace."""
    config = (GRAFANA / "prometheus.yml").read_text("utf-8")
    token = folder / "token"
    token.write_text("any")
    config = config.replace("hoshikage:3030", server).replace("/etc/prometheus/token", str(token)).replace("15s", "1s")
    (folder / "prometheus.yml").write_text(config, "utf-8")
    shutil.copy(GRAFANA / "alerts.yml", folder)
    promtool = shutil.which("promtool")
    assert promtool is not None
    subprocess.run([promtool, "check", "config", "prometheus.yml"], cwd=folder, check=True, timeout=60)
    arguments = (
        "--config.file=prometheus.yml",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *arguments], cwd=folder, stdout=log, stderr=log)
    try:
        yield Watcher(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def server(tmp_path: Path, library_file: Path, demo_model: Path) -> Iterator[LiveServer]:
    home = tmp_path / "home"
    home.mkdir()
    register(home, {LABEL: demo_model})
    with LiveServer(home_environ(home, library_file, N_CTX="512", N_THREADS="1", RAMDISK_PATH="off")) as live:
        yield live


def test_the_boards_queries_have_answers_under_load_and_the_alerts_hold(
    prometheus: str, server: LiveServer, tmp_path: Path, unused_tcp_port: int
) -> None:
    with watching(prometheus, unused_tcp_port, f"127.0.0.1:{server.port}", tmp_path) as watcher:
        until(lambda: bool(watcher.ask('up{job="hoshikage"} == 1')), "Prometheus does not reach the server")
        until(lambda: bool(watcher.ask("hoshikage_requests_running")), "there are no figures")
        stop = threading.Event()

        def load() -> None:
            with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
                while not stop.is_set():
                    asked = [{"role": "user", "content": "What is Hoshikage?"}]
                    client.chat.completions.create(model=LABEL, messages=asked, max_tokens=24)  # type: ignore[arg-type]

        with ThreadPoolExecutor(2) as pool:
            clients = [pool.submit(load) for _ in range(2)]
            try:
                for query in QUERIES:
                    made = query.replace("$__rate_interval", WINDOW)
                    until(lambda made=made: _has_numbers(watcher.ask(made)), f"no answer to {made}")  # type: ignore[misc]
            finally:
                stop.set()
            for client in clients:
                client.result(PATIENCE_S)
        [group] = watcher.get("rules")["groups"]
        assert [rule["name"] for rule in group["rules"]] == re.findall(
            r"- alert: (\w+)", (GRAFANA / "alerts.yml").read_text("utf-8")
        )
        assert {(rule["name"], rule["health"], rule["state"]) for rule in group["rules"]} == {
            (rule["name"], "ok", "inactive") for rule in group["rules"]
        }
        server.process.kill()
        until(lambda: "HoshikageDown" in _told(watcher), "nobody is told that the server is down")


def _has_numbers(found: list[Any]) -> bool:
    return any(series["value"][1] != "NaN" for series in found)


def _told(watcher: Watcher) -> set[str]:
    return {alert["labels"]["alertname"] for alert in watcher.get("alerts")["alerts"]}
