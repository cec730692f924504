"""Tests a server that sleeps: what it answers then, what wakes it, and that nothing and nobody is lost."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import processes
from hoshikage.access.tokens import TokenStore
from hoshikage.http import connections
from tests.certificates import self_signed
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ

MAX_LOOKS = 600
PATIENCE_S = 60.0
CLIENTS = 512
ASLEEP_BYTES = 12 * 2**20
HELLO = {"model": LABEL, "messages": [{"role": "user", "content": "What is Hoshikage?"}], "max_tokens": 3}
ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "hoshikage"])
"""


def until(wanted: Callable[[], bool], what: str, every_s: float = 0.1) -> None:
    moment = threading.Event()
    for _ in range(MAX_LOOKS):
        if wanted():
            return
        moment.wait(every_s)
    raise AssertionError(f"it never came: {what}")


def is_asleep(pid: int) -> bool:
    return b"sleeper" in Path(f"/proc/{pid}/cmdline").read_bytes()


def asleep(server: LiveServer) -> LiveServer:
    until(lambda: is_asleep(server.process.pid), "\n".join(server.log))
    return server


def get(server: LiveServer, path: str, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(server.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def chat(server: LiveServer) -> Any:
    request = urllib.request.Request(
        f"{server.url}/v1/chat/completions", json.dumps(HELLO).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def counted_since(server: LiveServer) -> int:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        return int(answer.headers["Process-Start-Time-Unix"])


def figures(server: LiveServer) -> dict[str, float]:
    text = get(server, "/metrics")[1].decode()
    return {name: float(value) for name, value in re.findall(r"^([^#\n]+) ([^ \n]+)$", text, re.MULTILINE)}


@pytest.fixture
def server(tmp_path: Path, library_file: Path, demo_model: Path) -> Iterator[LiveServer]:
    register(tmp_path, {LABEL: demo_model})
    settings = {"SLEEP_TIMEOUT": "0.2", "IDLE_TIMEOUT": "0.1", "RUNNER_AHEAD": "on"}
    with LiveServer(home_environ(tmp_path, library_file, **settings)) as live:
        yield live


def test_it_sleeps_answers_wakes_and_sleeps_again(server: LiveServer) -> None:
    first = chat(server)["choices"][0]["message"]["content"]
    awake, since = figures(server), counted_since(server)
    asleep(server)
    assert counted_since(server) == since
    memory = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert memory < ASLEEP_BYTES
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for path in ("/health", "/v1/status", "/v1/api/version", "/metrics", "/", "/v1/health"):
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, answer.headers["Server"]) == (200, "hoshikage"), path
        assert answer.headers["x-request-id"].startswith("req_")
        if path == "/v1/status":
            told = json.loads(body)
            assert (told["state"], told["model"]["state"], told["totals"]["loads"]) == ("sleeping", "unloaded", 1)
            assert 0 < told["memory"]["server_bytes"] < ASLEEP_BYTES
            assert told["library"] is None
            unloaded, copied = told["last_unload"], told["ramdisk_copy"]
            assert unloaded["resident_bytes"] > 0
    connection.request("HEAD", "/health")
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.headers["Content-Length"]) == (200, b"", "15")
    status, page = get(server, "/", Accept="text/html", **{"Accept-Encoding": "gzip"})
    assert (status, page[:2]) == (200, b"\x1f\x8b")
    assert is_asleep(server.process.pid)
    connection.request("GET", "/v1/models")  # on the connection that the sleeper has answered on
    assert json.loads(connection.getresponse().read())["data"][0]["id"] == LABEL
    assert not is_asleep(server.process.pid)
    after = figures(server)
    assert all(after[name] >= count for name, count in awake.items() if "_total" in name)
    assert counted_since(server) == since, "the counts go on"
    told = json.loads(get(server, "/v1/status")[1])
    assert (told["last_unload"], told["ramdisk_copy"]) == (unloaded, copied)
    assert after['hoshikage_requests_total{method="GET",route="/v1/status",status="200"}'] == 1
    assert after['hoshikage_requests_total{method="HEAD",route="/health",status="200"}'] == 1
    assert after["hoshikage_model_loads_total"] == 1
    assert chat(asleep(server))["choices"][0]["message"]["content"] == first
    assert figures(server)["hoshikage_model_loads_total"] == 2
    connection.close()


def test_of_many_who_come_at_the_moment_of_waking_none_is_lost(server: LiveServer) -> None:
    asleep(server)

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0]

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*(one() for _ in range(CLIENTS)))

    assert asyncio.run(all_of_them()) == [b"HTTP/1.1 200 OK"] * CLIENTS


def test_what_has_come_of_a_request_is_handed_over_unread(server: LiveServer) -> None:
    asleep(server)
    body = json.dumps(HELLO).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(head.encode()[:40])
        until(lambda: not is_asleep(server.process.pid), "waking")
        line.sendall(head.encode()[40:] + b"Connection: close\r\n\r\n" + body[:10])
        line.sendall(body[10:])
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["choices"][0]["finish_reason"] == "length"


def runners(mark: str) -> list[int]:
    """Lists the runner processes of the house with this mark, those included whose server has ended."""
    return [pid for pid in processes.marked(mark) if processes.runs(pid, "hoshikage.runner.main")]


def test_the_runner_comes_up_beside_the_server_that_wakes(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    mark = uuid.uuid4().hex
    settings = {"SLEEP_TIMEOUT": "0.2", "IDLE_TIMEOUT": "3", processes.MARK: mark}
    body = json.dumps(HELLO).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with LiveServer(home_environ(tmp_path, library_file, **settings)) as server:
        words = chat(server)["choices"][0]["message"]["content"]
        get(asleep(server), "/v1/models")
        assert runners(mark) == [], "nothing was asked of a model"
        asleep(server)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
            line.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
            until(lambda: bool(runners(mark)), "a runner before the request is whole")
            (early,) = runners(mark)
            line.sendall(body)
            answer = b"".join(iter(lambda: line.recv(65536), b""))
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"] == words
        assert (server.status()["runner"]["pid"], runners(mark)) == (early, [early]), "no other was started"
        asleep(server)
        assert runners(mark) == []
        (tmp_path / ".config" / "hoshikage" / ".env").write_text("GREAT_TIMEOUT=soon\n")
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line, suppress(ConnectionError):
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
            until(lambda: bool(runners(mark)), "a runner for a server that may not start", 0.02)
            assert line.recv(65536) == b"", "a server that may not start has answered nobody"
        assert server.process.wait(60) != 0
        assert processes.left(processes.marked(mark), PATIENCE_S) == set()
        assert processes.marked(mark) == set()


def test_foreign_names_pages_and_strangers_are_refused(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    token = TokenStore(tmp_path / ".config" / "hoshikage" / "tokens.json").create("me", "api")
    environ = home_environ(tmp_path, library_file, SLEEP_TIMEOUT="0.2", REQUIRE_TOKEN="always")
    with LiveServer(environ) as server:
        asleep(server)
        assert get(server, "/health")[0] == 200
        for path in ("/v1/status", "/metrics", "/v1/api/version"):
            assert get(server, path, Authorization=f"Bearer {token}")[0] == 200
            assert get(server, path, **{"x-api-key": token})[0] == 200
        assert is_asleep(server.process.pid)
        done = subprocess.run(
            [sys.executable, "-m", "hoshikage", "--port", str(server.port), "status", "--json"],
            env={**os.environ, **environ}, capture_output=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["state"] == "sleeping"
        assert is_asleep(server.process.pid)
        for refused, headers in ((401, {}), (401, {"Authorization": "Bearer x"}), (403, {"Host": "evil.example"})):
            assert get(asleep(server), "/v1/status", **headers)[0] == refused
        assert get(asleep(server), "/health", Host="evil.example")[0] == 403
        assert get(asleep(server), "/health", Origin="https://evil.example")[0] == 403


def test_tls_and_unix_sockets_sleep_too(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    cert, key = self_signed(tmp_path)
    unix = tmp_path / "s"
    settings = {"TLS_CERT_FILE": str(cert), "TLS_KEY_FILE": str(key), "UNIX_SOCKET": str(unix), "SLEEP_TIMEOUT": "0.2"}
    environ = {**os.environ, **home_environ(tmp_path, library_file, **settings)}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", "hoshikage", "--port", str(port)], env=environ) as process:
        until(lambda: unix.exists() and is_asleep(process.pid), "sleep")
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(60)
            line.connect(str(unix))
            line.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            told = json.loads(b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")[2])
        assert (told["state"], is_asleep(process.pid)) == ("sleeping", True)
        trusting = ssl.create_default_context(cafile=str(cert))
        with urllib.request.urlopen(f"https://localhost:{port}/v1/status", timeout=60, context=trusting) as answer:
            assert json.load(answer)["state"] == "awake"
        until(lambda: is_asleep(process.pid), "sleep again")
        for foreign in (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
                line.sendall(foreign)
                until(lambda: not is_asleep(process.pid), "waking")
            began = time.monotonic()
            until(lambda: is_asleep(process.pid), "sleep after what became no request")
            assert time.monotonic() - began < connections.HEADER_S / 2
        process.send_signal(signal.SIGTERM)
        assert (process.wait(60), unix.exists()) == (0, False)


def test_a_service_manager_sees_one_server(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.create_server(("127.0.0.1", 0)) as opened,
    ):
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(60)
        watched = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "400000", "SLEEP_TIMEOUT": "0.2"}
        environ = {**os.environ, **home_environ(tmp_path, library_file, **watched)}
        process = subprocess.Popen(
            [sys.executable, "-c", ACTIVATED, str(opened.fileno())], env=environ, pass_fds=[opened.fileno()]
        )
        try:
            said = [manager.recv(4096)]
            while not said[-1].startswith(b"READY=1"):
                said.append(manager.recv(4096))
            until(lambda: is_asleep(process.pid), "sleep")
            drained(manager)
            assert [manager.recv(4096) for _ in range(2)] == [b"WATCHDOG=1"] * 2
            port = opened.getsockname()[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=60) as answer:
                assert answer.status == 200
            drained(manager)
            assert manager.recv(4096).partition(b"\n")[0] in (b"WATCHDOG=1", b"READY=1")
        finally:
            process.terminate()
            assert process.wait(60) == 0


def drained(line: socket.socket) -> None:
    """Takes what has come until now."""
    line.setblocking(False)
    try:
        while line.recv(4096):
            pass
    except BlockingIOError:
        line.settimeout(60)


def test_a_second_start_is_healthy_before_it_is_a_server(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    environ = home_environ(tmp_path, library_file)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for number in range(2):
        with LiveServer({**environ, "PORT": str(port)}, "--port", str(port)) as server:
            status, body = get(server, "/health")
            assert (status, json.loads(body)) == (200, {"status": "ok"})
            resident = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
            assert number == 0 or resident * os.sysconf("SC_PAGE_SIZE") < 25 * 2**20
            assert chat(server)["choices"][0]["finish_reason"] == "length"
            until(lambda: (tmp_path / ".cache" / "hoshikage" / "start").exists(), "what a start leaves")
            told = json.loads(get(server, "/v1/status")[1])
            assert (told["state"], told["totals"]["loads"]) == ("awake", 1)
            assert sum("is ready" in line for line in server.log) == 1
