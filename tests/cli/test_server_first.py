"""Tests add, rm, list, load, unload and status with a living server: its API first, the file where none answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hoshikage.access import local_admin
from hoshikage.cli import client as server_module
from hoshikage.cli.client import Server
from hoshikage.dispatch.copier import CopyStatus
from hoshikage.dispatch.status import DispatcherStatus
from hoshikage.registry import Registry
from hoshikage.settings import config_dir
from tests.certificates import self_signed
from tests.cli.conftest import Cli, Echo, Ran, Running, running_server
from tests.gguf_files import Gguf


@pytest.mark.process
def test_with_and_without_a_server_all_is_the_same(
    cli: Cli, model: Path, registry: Registry, work: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = work / "damaged.gguf"
    damaged.write_bytes(b"GGUF")
    commands: list[list[str | Path]] = [
        ["add", model, "one", "</s>", "終"],
        ["add", model, "one", "other", "--n-ctx", "2048"],
        ["add", model, "two"],
        ["add", damaged, "bad"],
        ["add", work / "absent.gguf", "bad"],
        ["add", model, "a b"],
        ["rm", "two"],
        ["rm", "two"],
        ["list"],
        ["list", "--json"],
    ]

    def run_all() -> tuple[list[Ran], object]:
        registry.file.unlink(missing_ok=True)
        ran = [cli(*command) for command in commands]
        return ran, json.loads(registry.file.read_text())

    monkeypatch.setenv("PORT", str(unused_tcp_port))
    without, file_without = run_all()
    with running_server(work, registry) as running:
        monkeypatch.setenv("PORT", str(running.port))
        alive, file_alive = run_all()
    assert [(ran.status, _timeless(ran.out), ran.err) for ran in alive] == [
        (ran.status, _timeless(ran.out), ran.err) for ran in without
    ]
    assert _timeless(json.dumps(file_alive)) == _timeless(json.dumps(file_without))
    assert [ran.status for ran in alive] == [0, 0, 0, 2, 2, 1, 0, 1, 0, 0]


@pytest.mark.process
def test_the_user_himself_names_any_template(
    cli: Cli, server: Running, model: Path, registry: Registry, work: Path
) -> None:
    """The API takes only a file that calls itself a template, and compiles."""
    for name, source in (("own.txt", "{{ messages }}"), ("bad.jinja", "{% if %}"), ("own.jinja", "{{ messages }}")):
        (work / name).write_text(source)
        ran = cli("add", model, "own", "--chat-template", name)
        assert (ran.status, ran.err) == (0, "")
        assert registry.resolve("own").options.chat_template == str(work / name)


def _timeless(words: str) -> str:
    import re

    return re.sub(r'"created": \d+', "", words)


@pytest.mark.process
def test_verbose_says_which_way(cli: Cli, server: Running, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["add", model, "new"], ["rm", "new"], ["list"]):
        assert cli(*command, "--verbose").err == f"Done by the server at http://127.0.0.1:{server.port}.\n"
        if command[0] != "rm":
            assert cli(*command).err == ""
    monkeypatch.setenv("PORT", "1")
    file = config_dir() / "model_map.json"
    for command in (["add", model, "new"], ["rm", "new"], ["list"]):
        assert cli(*command, "--verbose").err == f"Done on the file {file}.\n"


def test_a_damaged_registry_has_the_same_words_and_status(cli: Cli, server: Running, registry: Registry) -> None:
    registry.file.write_text("{")
    alive = cli("rm", "first")
    dead = cli("rm", "first", "--port", "1")
    assert (alive.status, alive.err) == (dead.status, dead.err)
    assert alive.status == 2


@pytest.mark.process
def test_the_unix_socket_is_taken_before_the_port(
    cli: Cli, work: Path, registry: Registry, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = work / "s"
    monkeypatch.setenv("UNIX_SOCKET", str(path))
    with running_server(work, registry, UNIX_SOCKET=str(path)) as running:
        (config_dir() / "admin.token").unlink()
        monkeypatch.setenv("PORT", "1")
        assert cli("add", model, "new", "--verbose").err == f"Done by the server at unix:{path}.\n"
        assert cli("status").status == 0
        monkeypatch.setenv("PORT", str(running.port))
    assert cli("add", model, "new", "--verbose").err.startswith("Done on the file"), "a stale socket is no server"


@pytest.mark.process
def test_tls_is_spoken_with_that_certificate_alone(
    cli: Cli, work: Path, registry: Registry, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = self_signed(work)
    (work / "other").mkdir()
    other = self_signed(work / "other")[0]
    settings = {"TLS_CERT_FILE": str(cert), "TLS_KEY_FILE": str(key), "REQUIRE_TOKEN": "always"}
    cli("token", "create", "one")
    with running_server(work, registry, **settings) as running:
        for name, value in {**settings, "PORT": str(running.port)}.items():
            monkeypatch.setenv(name, value)
        said = f"Done by the server at https://127.0.0.1:{running.port}.\n"
        assert cli("add", model, "new", "--verbose").err == said
        assert cli("status").status == 0
        monkeypatch.setenv("TLS_CERT_FILE", str(other))
        assert cli("add", model, "new", "--verbose").err.startswith("Done on the file")
        assert cli("status").status == 1


def test_a_copy_that_is_being_made_in_memory_is_told(
    cli: Cli, work: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = DispatcherStatus(copy=CopyStatus("copying", "slow", 0.4, 700.0))
    monkeypatch.setattr(Echo, "status", lambda _echo: status)
    with running_server(work, registry) as running:
        monkeypatch.setenv("PORT", str(running.port))
        assert "being made (40%)" in cli("status").out
        assert cli("status", "--json").data["ramdisk_copy"] == {
            "state": "copying",
            "why": "slow",
            "progress": 0.4,
            "read_mib_s": 700.0,
        }


def test_a_server_that_sleeps_is_told_as_such(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a status as a sleeping server gives it: that asking does not wake it is shown with a real one."""
    status = {**DispatcherStatus().to_json("en"), "status": "ok", "version": "1"}
    for state, is_told in (("sleeping", True), ("awake", False)):
        monkeypatch.setattr(Server, "require_status", lambda _server, state=state: {**status, "state": state})
        assert ("asleep (the next request wakes it" in " ".join(cli("status").out.split())) is is_told
        assert ("眠っています" in cli("status", "--lang", "ja").out) is is_told


def test_where_tokens_are_needed_the_commands_have_theirs(
    cli: Cli, work: Path, registry: Registry, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("token", "create", "one")
    registry.add("first", model)
    with running_server(work, registry, REQUIRE_TOKEN="always") as running:
        monkeypatch.setenv("PORT", str(running.port))
        assert "http://127.0.0.1" in cli("status").out
        assert cli("load", "first").out == "Loaded: first\n"
        assert "server" in cli("list", "--verbose").err


class Impostor:
    """Something else is on the server's port: answers each connection as it is told, and keeps what it was sent."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.heard: list[bytes] = []
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                heard = b""
                try:
                    while more := connection.recv(65536):
                        heard += more
                        answer = self._answer(more)
                        if not answer:
                            break
                        connection.sendall(answer)
                except OSError:
                    pass
                self.heard.append(heard)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()  # what the last connection sent is kept when it ends
        self._listening.close()


@contextmanager
def impostor(answer: Callable[[bytes], bytes]) -> Iterator[Impostor]:
    made = Impostor(answer)
    try:
        yield made
    finally:
        made.close()


def ok(_: bytes) -> bytes:
    body = b'{"status": "ok", "version": "9", "model": {}}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nx-hoshikage-proof: {'0' * 64}\r\n\r\n"
    return head.encode() + body


@pytest.mark.process
def test_the_token_is_never_shown_to_an_impostor(
    cli: Cli, work: Path, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = local_admin.prepare(config_dir() / "admin.token")
    with impostor(ok) as thief:
        monkeypatch.setenv("PORT", str(thief.port))
        for command in (["add", model, "new"], ["list"], ["rm", "new"], ["status"], ["unload"], ["load", "new"]):
            cli(*command)
    assert len(thief.heard) >= 6
    assert not any(token.encode() in heard or b"Authorization" in heard for heard in thief.heard)


@pytest.mark.process
def test_a_server_that_hangs_up_is_tried_three_times(
    cli: Cli, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PAUSES_S", (0.0, 0.01, 0.01))
    with impostor(lambda _: b"") as dying:
        monkeypatch.setenv("PORT", str(dying.port))
        assert cli("add", model, "new", "--verbose").err.startswith("Done on the file")
    assert len(dying.heard) == 3
    assert registry.resolve("new").file == model


def test_an_answer_that_was_lost_is_no_failure(
    cli: Cli, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server had removed it, and broke off before it said so: the next try finds nothing."""
    monkeypatch.setattr(server_module, "PAUSES_S", (0.0, 0.01, 0.01))
    token = local_admin.prepare(config_dir() / "admin.token")
    answers = iter([b"", b'HTTP/1.1 404 Not Found\r\nContent-Length: 36\r\n\r\n{"error":{"code":"model_not_found"}} '])
    port: list[int] = []

    def answer(asked: bytes) -> bytes:
        if b"x-hoshikage-challenge: " not in asked:
            return next(answers)
        challenge = asked.partition(b"x-hoshikage-challenge: ")[2][:32].decode()
        proof = local_admin.proof(token, challenge, ("127.0.0.1", port[0]))
        return f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-hoshikage-proof: {proof}\r\n\r\n{{}}".encode()

    with impostor(answer) as flaky:
        port.append(flaky.port)
        registry.add("gone", model)
        monkeypatch.setenv("PORT", str(flaky.port))
        assert cli("rm", "gone").status == 0
    assert len(flaky.heard) == 2
    assert registry.resolve("gone"), "the server's word was taken, nothing was done on the file"


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", b"HTTP/1.1 200 OK\r\n\r\n{}"],
)
def test_another_program_on_the_port_is_no_server(
    cli: Cli, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(server_module, "PAUSES_S", (0.0, 0.01, 0.01))
    with impostor(lambda _: answer) as other:
        monkeypatch.setenv("PORT", str(other.port))
        assert cli("status").status == 1
        assert cli("load", "x").status == 1


HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
JSON = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"models": [] }'
KIN = JSON.replace(b"\r\n", b"\r\nServer: hoshikage\r\n", 1)


@pytest.mark.process
@pytest.mark.parametrize("answer", [HTML, JSON, KIN, ok(b"")])
def test_what_does_not_prove_to_be_the_server_is_passed_over_and_told_nothing(
    cli: Cli, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    local_admin.prepare(config_dir() / "admin.token")
    with impostor(lambda _: answer) as other:
        monkeypatch.setenv("PORT", str(other.port))
        assert cli("add", model, "new").status == 0
        assert registry.resolve("new").file == model
        assert "new" in cli("list").out
        assert cli("list", "--json").data["file"] == str(registry.file)
        assert cli("status").status == 1
        assert cli("rm", "new").status == 0
        assert cli("rm", "new").status == 1
        assert registry.specs() == ()
    assert not any(b"small.gguf" in heard or b"new" in heard for heard in other.heard)


@pytest.mark.process
def test_a_silent_program_on_the_port_costs_little_time(
    cli: Cli, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PORT", str(silent.getsockname()[1]))
        began = time.monotonic()
        assert cli("add", model, "new").status == 0
        assert time.monotonic() - began < 2
        assert registry.resolve("new").file == model


def test_a_server_that_wakes_slowly_is_waited_for(
    cli: Cli, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_admin.prepare(config_dir() / "admin.token")
    for name in ("PROBE_S", "LOOPBACK_S"):
        monkeypatch.setattr(server_module, name, 0.05)
    status = json.dumps({**DispatcherStatus().to_json("en"), "status": "ok", "state": "awake", "version": "1"}).encode()

    def answer(_: bytes) -> bytes:
        threading.Event().wait(0.3)  # it takes its time to wake
        return b"HTTP/1.1 200 OK\r\nServer: hoshikage\r\nContent-Length: %d\r\n\r\n" % len(status) + status

    with impostor(answer) as waking:
        monkeypatch.setenv("PORT", str(waking.port))
        assert cli("status", "--json").data["state"] == "awake"


def test_only_where_nothing_listens_there_is_no_server(
    cli: Cli, registry: Registry, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "WAKING_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PORT", str(silent.getsockname()[1]))
        ran = cli("status")
        assert (ran.status, "broke off (timed out)" in ran.err, "No server" in ran.err) == (1, True, False)
    with impostor(lambda _: b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno") as other:
        monkeypatch.setenv("PORT", str(other.port))
        assert "another program, not Hoshikage" in cli("status").err
    monkeypatch.setenv("PORT", str(unused_tcp_port))
    assert "No server runs at" in cli("status").err


def test_load_and_unload(cli: Cli, server: Running) -> None:
    ran = cli("load", "first")
    assert (ran.status, ran.out) == (0, "Loaded: first\n")
    assert server.echo.preloaded == ["first"]
    assert cli("load", "none").err.startswith("error: Model “none” is not registered")
    assert cli("unload").out == "Unloaded: second\n"
    assert cli("unload", "--json").data == {"name": "second", "unloaded": True}
    for command in (["load", "first"], ["unload"], ["status"]):
        ran = cli(*command, "--port", "1", "--lang", "ja")
        assert ran.status == 1
        assert "サーバーが動いていません" in ran.err


@pytest.mark.process
def test_one_model_is_unloaded(cli: Cli, server: Running, model: Path) -> None:
    cli("add", model, "second", "--n-ctx", "600")
    for label in ("first", "second"):
        cli("load", label)
    assert cli("unload", "first").out == "Unloaded: first\n"
    assert server.echo.preloaded == ["second"]
    ran = cli("unload", "first")
    assert (ran.status, ran.out) == (0, "first is not loaded.\n")
    assert cli("unload", "none").err.startswith("error: Model “none” is not registered")
    cli("rm", "second")
    assert cli("unload", "second").out == "Unloaded: second\n", "loaded, though it is not registered any more"
    assert server.echo.preloaded == []


@pytest.mark.process
def test_a_loaded_model_that_is_added_anew_is_loaded_anew(cli: Cli, server: Running, model: Path) -> None:
    told = "The loaded copy of first still has its former settings; the next request loads it anew."
    assert told not in cli("add", model, "first", "--n-ctx", "600").out
    cli("load", "first")
    assert told not in cli("add", model, "first", "--temperature", "0.5").out, "it is no setting of the load"
    assert told in cli("add", model, "first", "--n-ctx", "700").out


@pytest.mark.parametrize(
    ("language", "words"),
    [("ja", ["サーバー", "second · 読み込み済み", "処理中 0、順番待ち 0"]), ("en", ["Server", "second · loaded"])],
)
def test_status(cli: Cli, server: Running, language: str, words: list[str]) -> None:
    shown = cli("status", "--lang", language).out
    for word in words:
        assert word in shown
    assert cli("status", "--json").data["model"]["id"] == "second"


@pytest.mark.process
def test_the_gguf_of_a_relative_path_reaches_the_server_whole(
    cli: Cli, server: Running, registry: Registry, work: Path
) -> None:
    Gguf().write(work / "here.gguf")
    assert cli("add", "here.gguf", "here").status == 0
    assert registry.resolve("here").file == work / "here.gguf"
