"""Tests the sleeper's own reading of requests: what is not plain it does not answer."""

from __future__ import annotations

import hashlib
import hmac
import marshal
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hoshikage.http import connections
from hoshikage.sleeper import program
from hoshikage.sleeper.program import Client, Sleeper, put, take
from hoshikage.sleeper.request import Unsure, hmac_sha256, name_of, request_of, same

PAGE = {"route": "/health", "needs": "nothing", "headers": ["Content-Type: text/plain"], "body": b"ok", "full": b"ok"}
SECRET = {**PAGE, "route": "/metrics", "needs": "api", "body": b"some", "full": b"all"}
STATE: dict[str, Any] = {
    "listening": [],
    "connections": [],
    "names": ["box.local"],
    "exposed": False,
    "needs_token": True,
    "tokens": [(hashlib.sha256(b"hsk-x").hexdigest(), True), (hashlib.sha256(b"hsk-api").hexdigest(), False)],
    "token_file": "/nowhere/tokens.json",
    "token_signature": None,
    "admin": "hsk-admin",
    "pages": {"/health": PAGE, "/metrics": SECRET},
    "headers": [],
    "html": ["text/html"],
    "prefix": "/base",
    "notify": "",
    "ping_every": 0.0,
    "until": 0.0,
    "asks": ["/v1/chat/completions"],
    "runner": None,
}
TOKEN = "Authorization: Bearer hsk-x"


@pytest.fixture
def client() -> Iterator[Client]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield Client(opened, "plain", 0.0)


def answer(client: Client, head: str, **state: Any) -> bytes:
    return Sleeper({**STATE, **state}).answer(client, head.replace("\n", "\r\n").encode("latin-1"))


@pytest.mark.parametrize(
    "head",
    [
        "GET /health HTTP/1.1\nHost: localhost",
        "GET /health?x=1 HTTP/1.1\nHost: LOCALHOST:3030",
        "GET /base/health HTTP/1.1\nHost: 127.0.0.1",
        "GET /health HTTP/1.1\nHost: 127.8.8.8:80\nContent-Length: 0",
        "GET /health HTTP/1.1\nHost: [::1]:3030",
        "GET /health HTTP/1.1\nHost: box.local\nSec-Fetch-Site: same-origin",
        f"GET /metrics HTTP/1.1\nHost: localhost\n{TOKEN}",
        "GET /metrics HTTP/1.1\nHost: localhost\nX-Api-Key: hsk-x",
    ],
)
def test_what_is_plain_is_answered(client: Client, head: str) -> None:
    assert answer(client, head).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "head",
    [
        "GET /health HTTP/1.0\nHost: localhost",
        "GET http://localhost/health HTTP/1.1\nHost: localhost",
        "POST /health HTTP/1.1\nHost: localhost",
        "GET  /health HTTP/1.1\nHost: localhost",
        "GET /health/ HTTP/1.1\nHost: localhost",
        "GET /v1/models HTTP/1.1\nHost: localhost",
        "GET /health HTTP/1.1",
        "GET /health HTTP/1.1\nHost: localhost\nHost: localhost",
        "GET /health HTTP/1.1\nHost: evil.example",
        "GET /health HTTP/1.1\nHost: localhost.evil.example",
        "GET /health HTTP/1.1\nHost: localhost@evil.example",
        "GET /health HTTP/1.1\nHost: 192.168.1.9",
        "GET /health HTTP/1.1\nHost: localhost\nOrigin: http://localhost",
        "GET /health HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site",
        "GET /health HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked",
        "GET /health HTTP/1.1\nHost: localhost\nContent-Length: 5",
        "GET /health HTTP/1.1\nHost: localhost\nContent-Length: 0\nContent-Length: 5",
        "GET /health HTTP/1.1\nHost: localhost\n folded: x",
        "GET /health HTTP/1.1\nHost : localhost",
        "GET /metrics HTTP/1.1\nHost: localhost",
        "GET /metrics HTTP/1.1\nHost: localhost\nAuthorization: Bearer hsk-y",
        f"GET /metrics HTTP/1.1\nHost: localhost\n{TOKEN}\nX-Api-Key: other",
    ],
)
def test_what_is_not_certain_is_left_to_the_server(client: Client, head: str) -> None:
    with pytest.raises(Unsure):
        answer(client, head)


def test_a_slow_client_has_as_long_as_while_the_server_is_awake() -> None:
    assert (program.HEADER_S, program.KEEPALIVE_S) == (connections.HEADER_S, connections.KEEPALIVE_S)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has ended its side")
@pytest.mark.parametrize("asked", [b"GET /health", b"POST /v1/chat/completions"])
def test_who_ends_its_side_has_left_and_wakes_nobody(monkeypatch: pytest.MonkeyPatch, asked: bytes) -> None:
    monkeypatch.setattr(Sleeper, "wake", lambda *_: pytest.fail("it wakes"))
    with socket.create_server(("127.0.0.1", 0)) as opened:
        sleeper = Sleeper(STATE)
        with socket.create_connection(opened.getsockname(), 20) as line:
            sleeper.admit(opened.accept()[0], "plain", 20.0)
            line.sendall(asked + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            line.shutdown(socket.SHUT_WR)
            sleeper.turn()
            assert (line.recv(1), sleeper.clients) == (b"", {})


def test_who_has_shown_an_administrators_token_is_told_all(client: Client) -> None:
    plain = "GET /metrics HTTP/1.1\nHost: localhost"
    assert answer(client, f"{plain}\nAuthorization: Bearer hsk-api").endswith(b"\r\n\r\nsome")
    assert answer(client, f"{plain}\n{TOKEN}").endswith(b"\r\n\r\nall")
    assert answer(client, plain, needs_token=False).endswith(b"\r\n\r\nsome")
    assert answer(client, f"{plain}\nAuthorization: Bearer hsk-y", needs_token=False).endswith(b"\r\n\r\nsome")


def test_a_token_file_that_has_changed_is_looked_at_by_the_server(client: Client) -> None:
    with pytest.raises(Unsure):
        answer(client, f"GET /metrics HTTP/1.1\nHost: localhost\n{TOKEN}", token_signature=(1, 2, 3))


def test_an_exposed_server_is_called_by_any_address(client: Client) -> None:
    for address in ("192.168.1.9", "[fe80::1]:3030"):
        assert answer(client, f"GET /health HTTP/1.1\nHost: {address}", exposed=True)
    with pytest.raises(Unsure):
        answer(client, "GET /health HTTP/1.1\nHost: evil.example", exposed=True)


def test_a_head_has_no_body_and_a_close_is_heeded(client: Client) -> None:
    told = answer(client, "HEAD /health HTTP/1.1\nHost: localhost\nConnection: close")
    assert told.endswith(b"Connection: close\r\n\r\n")
    assert b"Content-Length: 2\r\n" in told
    assert client.ends


def test_commands_are_proven_to_whom_they_speak(client: Client) -> None:
    told = answer(client, f"GET /health HTTP/1.1\nHost: localhost\nX-Hoshikage-Challenge: {'a' * 32}").decode()
    address = client.opened.getsockname()
    words = f"hoshikage {'a' * 32} {address[0]} {address[1]}".encode()
    assert f"x-hoshikage-proof: {hmac.new(b'hsk-admin', words, hashlib.sha256).hexdigest()}\r\n" in told
    assert "proof" not in answer(client, "GET /health HTTP/1.1\nHost: localhost\nX-Hoshikage-Challenge: no").decode()
    with pytest.raises(Unsure):
        answer(client, "GET /health HTTP/1.1\nHost: localhost\nX-Hoshikage-Challenge: x", admin="")


CHAT = "POST /v1/chat/completions HTTP/1.1\nHost: localhost\n"


@pytest.mark.parametrize(
    ("head", "asks"),
    [
        (f"{CHAT}{TOKEN}", True),
        (f"POST /base/v1/chat/completions?x=1 HTTP/1.1\nHost: 127.0.0.1\n{TOKEN}", True),
        (f"GET /v1/models HTTP/1.1\nHost: localhost\n{TOKEN}", False),
        (f"POST /v1/models HTTP/1.1\nHost: localhost\n{TOKEN}", False),
        (f"POST /v1/chat/completions HTTP/1.1\nHost: evil.example\n{TOKEN}", False),
        (f"{CHAT}Origin: http://localhost\n{TOKEN}", False),
        (CHAT.rstrip(), False),
        (f"{CHAT}Authorization: Bearer hsk-stranger", False),
        (f"POST /v1/chat/completions HTTP/1.0\nHost: localhost\n{TOKEN}", False),
    ],
)
def test_a_runner_is_started_for_words_of_a_model_and_for_who_may_ask(
    client: Client, head: str, asks: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[object] = []

    def spawned(*asked: object) -> tuple[int, ...]:
        started.append(asked)
        return 1, 2, 3, 4, 5

    monkeypatch.setattr(program, "spawned", spawned)
    library = tmp_path / "libllama.so"
    library.write_bytes(b"1")
    known = {str(library): program.signature(str(library))}
    runner = {"command": ["python"], "environ": {"HOME": "/"}, "files": known}
    sleeper = Sleeper({**STATE, "runner": runner})
    text = head.replace("\n", "\r\n").encode()
    assert sleeper.started(client, text) == ((1, 2, 3, 4, 5) if asks else None)
    assert started == ([(["python"], {"HOME": "/"})] if asks else [])
    library.write_bytes(b"another")
    assert sleeper.started(client, text) is None, "nobody has looked at that one"
    assert Sleeper(STATE).started(client, text) is None, "no load has told which library"


@pytest.mark.parametrize("length", [1, 47, 64])
def test_the_hash_is_the_usual_one(length: int) -> None:
    key, message = os.urandom(length), os.urandom(100)
    assert hmac_sha256(key, message) == hmac.new(key, message, hashlib.sha256).hexdigest()


def test_names_and_requests_are_taken_apart() -> None:
    assert [name_of(one) for one in ("A", "a:1", "[::1]", "[::1]:2")] == ["a", "a", "::1", "::1"]
    assert request_of(b"GET / HTTP/1.1\r\nA: 1\r\na: 2") == (b"GET", "/", {"a": ["1", "2"]})
    assert same("ab", "ab")
    assert not same("ab", "ax")
    assert not same("ab", "abc")


def test_what_is_put_away_is_taken_back() -> None:
    assert take(put(marshal.dumps({("a", 1): [b"x", 1.5]}))) == {("a", 1): [b"x", 1.5]}


@pytest.mark.process
def test_it_imports_little() -> None:
    """What a sleeping server holds is mostly what it imported."""
    code = program.command(0)[4].rpartition("; main()")[0] + "; print(*sorted(sys.modules))"
    done = subprocess.run(
        [*program.command(0)[:4], code, *program.command(0)[5:]], capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    assert "hoshikage.sleeper.program" in modules
    assert not modules & {"typing", "re", "json", "ssl", "pathlib", "hashlib", "asyncio", "site", "contextlib"}
