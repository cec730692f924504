"""Tests the scripts' client and child: real sockets, real processes."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import quickstart
from screen import ROOT, Refused
from serving import Chat, Server, get_json, hoshikage_version

CHUNK = {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]}
LITTLE_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("seen", self.path, flush=True)
        body = b'{"status": "ok"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("listening on http://127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
"""


def _delta(**delta: str) -> str:
    return json.dumps({**CHUNK, "choices": [{"index": 0, "delta": delta}]}, ensure_ascii=False)


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    """Starts a server that answers every POST with the given status and body; gives its address."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert request["stream"]
                assert request["messages"][0]["content"] == "こんにちは"
                self.send_response(status)
                self.end_headers()
                for start in range(0, len(body), 7):  # splits lines and characters
                    self.wfile.write(body[start : start + 7])
                    self.wfile.flush()

            def log_message(self, *_words: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def _stream(*data: str) -> bytes:
    return b"".join(f": wait\n\ndata: {item}\n\n".encode() for item in data)


def test_a_chat_gives_its_pieces_and_figures(answering: Callable[[int, bytes], str]) -> None:
    usage = json.dumps({**CHUNK, "choices": [], "usage": {"completion_tokens": 12}})
    body = _stream(_delta(role="assistant"), _delta(content="星"), _delta(content="影 🌟"), usage, "[DONE]")
    chat = Chat(answering(200, body), "tiny", "こんにちは")
    assert list(chat) == ["星", "影 🌟"]
    assert chat.tokens == 12
    assert 0 < chat.first_s <= chat.total_s


@pytest.mark.parametrize(
    ("status", "body", "key", "words"),
    [
        (404, b'{"error": {"message": "no such model"}}', "chat_refused", "no such model"),
        (502, b"<html>", "chat_refused", "<html>"),
        (200, _stream(_delta(content="a"), '{"error": {"message": "it crashed"}}'), "chat_cut", "it crashed"),
        (200, _stream(_delta(content="a")), "chat_cut", ""),
    ],
)
def test_a_chat_that_fails_is_refused(
    answering: Callable[[int, bytes], str], status: int, body: bytes, key: str, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        list(Chat(answering(status, body), "tiny", "こんにちは"))
    assert refused.value.key == key
    assert words in str(refused.value.details.get("message", refused.value.details.get("reason")))


@pytest.mark.process
def test_a_server_is_found_by_its_own_words_and_ended() -> None:
    with Server([sys.executable, "-c", LITTLE_SERVER]) as server:
        heard: list[str] = []
        server.echo = heard.append
        assert get_json(server.url, "/again") == {"status": "ok"}
        assert server.process.poll() is None
        url = server.url
    assert "seen /again" in heard
    assert server.process.poll() is not None
    assert get_json(url, "/health") is None
    server.stop()


@pytest.mark.process
def test_a_server_that_does_not_start_is_shown() -> None:
    with pytest.raises(Refused) as refused:
        Server([sys.executable, "-c", "import sys; print('the port is in use'); sys.exit(4)"])
    assert refused.value.key == "server_ended"
    assert refused.value.details == {"status": 4, "output": "the port is in use"}


if sys.platform == "linux":  # only there does the kernel tell a process of its parent's death

    @pytest.mark.process
    def test_a_killed_script_leaves_no_server() -> None:
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n"
            f"from serving import Server\n"
            f"server = Server([sys.executable, '-c', {LITTLE_SERVER!r}])\n"
            f"print(server.process.pid, flush=True)\n"
            f"server.wait()\n"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as script:
            assert script.stdout is not None
            watch = os.pidfd_open(int(script.stdout.readline()))
            script.send_signal(signal.SIGKILL)
            ended, _, _ = select.select([watch], [], [], 20)
        os.close(watch)
        assert ended == [watch]


def test_a_busy_port_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert quickstart._is_busy("127.0.0.1", port)
    assert not quickstart._is_busy("127.0.0.1", port)
    assert not quickstart._is_busy("127.0.0.1", 0)
    assert not quickstart._is_busy("192.0.2.1", port)


@pytest.mark.process
def test_quickstart_explains_itself_in_both_languages(home: Path) -> None:
    said = {}
    for language in ("ja", "en"):
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "quickstart.py"), "--help"],
            env={**os.environ, "HOSHIKAGE_LANG": language},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        said[language] = done.stdout
    assert "最初の会話" in said["ja"]
    assert "first chat" in said["en"]
    assert not any(home.iterdir())


@pytest.mark.parametrize(
    ("name", "body", "version"),
    [
        ("hoshikage", b'{"version": "1.0"}', "1.0"),
        ("hoshikage", b"[]", None),
        ("hoshikage", b"<html>", None),
        ("nginx", b'{"version": "1.0"}', None),
    ],
)
def test_only_hoshikage_is_called_so(name: str, body: bytes, version: str | None) -> None:
    class Handler(BaseHTTPRequestHandler):
        def version_string(self) -> str:
            return name

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        assert hoshikage_version(f"http://127.0.0.1:{other.server_address[1]}", 5) == version
        other.shutdown()
        thread.join()


def test_a_silent_program_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert hoshikage_version(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.05) is None


def test_the_log_of_the_scripts_own_chats_is_not_shown_late() -> None:
    shown: list[str] = []
    line = f"INFO hoshikage.access {quickstart.CHAT_LINE} 12 ms"
    echo = quickstart._without_late_lines(shown.append, f"ready\n{line}", 2)
    for said in (line, "another", line):
        echo(said)
    assert shown == ["another", line]


def test_the_first_question_is_in_the_persons_language() -> None:
    assert quickstart.QUESTIONS["en"][0].isascii()
    assert not quickstart.QUESTIONS["ja"][0].isascii()
    assert sorted(quickstart.QUESTIONS["en"]) == sorted(quickstart.QUESTIONS["ja"])
