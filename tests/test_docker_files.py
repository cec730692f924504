"""Tests the container's files: what goes in, who runs, what is asked for its health. No engine is needed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from hoshikage.options import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
OTHER_VARIABLES = {"PATH", "LANG", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MODEL_DIR"}


def instructions() -> list[tuple[str, str]]:
    """Instruction and arguments of each line of the Dockerfile, continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(index for index, (word, _) in enumerate(found) if word == "FROM") :]


def environment() -> dict[str, str]:
    given = next(rest for word, rest in last_stage() if word == "ENV")
    return dict(item.split("=", 1) for item in given.split())


def compose(name: str) -> Any:
    return import_module("yaml").safe_load((ROOT / name).read_text("utf-8"))  # comes with the gguf package


def test_two_stages_of_one_base_and_a_user_that_is_not_root() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert bases == ["${BASE}", "${BASE}"]
    assert [rest for word, rest in instructions() if word == "ARG"] == ["BASE=ubuntu:24.04", "VERSION=0.dev0"]
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users == ["10001"]
    order = [word for word, _ in last_stage()]
    assert order.index("USER") > max(index for index, word in enumerate(order) if word in ("RUN", "COPY"))


def test_it_listens_where_the_container_is_reached_and_says_so() -> None:
    found = environment()
    assert (found["HOST"], found["PORT"]) == ("0.0.0.0", "3030")
    assert ("EXPOSE", "3030") in last_stage()
    assert set(found) <= {row.variable for row in SETTINGS} | OTHER_VARIABLES


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    sources = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert {"pyproject.toml", "setup.cfg", "hoshikage", "demo"} <= set(sources)
    for source in sources:
        assert "*" in source or (ROOT / source).exists(), source
        assert any(fnmatch(place.partition("/")[0], source) for place in allowed), source
    for place in allowed:
        assert "*" in place or (ROOT / place).exists(), place


def test_nothing_private_goes_into_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert not any(".env" in line or ".git" in line for line in lines)


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_words: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def health(port: int) -> int:
    """Runs the image's own health check against a port of this machine."""
    check = next(rest for word, rest in last_stage() if word == "HEALTHCHECK")
    _, *arguments = json.loads(check.partition(" CMD ")[2])
    # a proxy of the environment must not be asked
    environ = {**os.environ, "PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *arguments], env=environ, capture_output=True, timeout=60, check=False
    ).returncode


@pytest.mark.process
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_for_health(status: int, healthy: bool) -> None:
    with answering(status) as port:
        assert (health(port) == 0) == healthy


@pytest.mark.process
def test_the_health_check_fails_where_nothing_answers() -> None:
    with answering(200) as port:
        pass
    assert health(port) != 0


def test_compose_keeps_the_port_to_this_machine_and_brings_the_volumes() -> None:
    service = compose("compose.yaml")["services"]["hoshikage"]
    assert service["ports"] == ["${HOSHIKAGE_PUBLISH:-127.0.0.1:3030}:3030"]
    targets = {volume["target"]: volume for volume in service["volumes"]}
    declared = json.loads(next(rest for word, rest in last_stage() if word == "VOLUME"))
    assert set(targets) == set(declared)
    assert targets["/data/hoshikage/lib"]["read_only"]
    assert targets["/models"]["read_only"]
    used = [volume for one in compose("compose.yaml")["services"].values() for volume in one["volumes"]]
    assert {volume["source"] for volume in used if volume["type"] == "volume"} == set(
        compose("compose.yaml")["volumes"]
    )
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_monitoring_comes_when_it_is_asked_for_and_stays_on_this_machine() -> None:
    services = compose("compose.yaml")["services"]
    assert "profiles" not in services["hoshikage"]
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
        for volume in services[name]["volumes"]:
            if volume["type"] == "bind":
                assert volume["read_only"]
                assert (ROOT / volume["source"]).is_dir()
    board = json.loads((ROOT / "deploy" / "grafana" / "hoshikage.json").read_text("utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) > 10


def test_the_cuda_file_adds_a_gpu_and_a_base_with_cuda() -> None:
    service = compose("compose.cuda.yaml")["services"]["hoshikage"]
    assert re.fullmatch(r"nvidia/cuda:[0-9.]+-runtime-ubuntu24\.04", service["build"]["args"]["BASE"])
    assert service["build"]["args"]["BASE"] in (ROOT / "Dockerfile").read_text("utf-8")
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
