"""Tests conversations that outlive their runner, through real servers: an idle end, a switch, a restart, a crash, a
sleep."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hoshikage.access.tokens import TokenStore
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ
from tests.end_to_end.test_sleep import asleep, until

LONG = "Tell me everything about the stars, the night and the shadows. " * 12
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory without a name and sleep are Linux's")


class Conversation:
    """This conversation goes on, as a client has it."""

    def __init__(self, server: LiveServer, token: str = "", model: str = LABEL) -> None:
        self._server = server
        self._token = token
        self._model = model
        self.messages: list[dict[str, str]] = []

    def say(self, words: str) -> tuple[str, int]:
        """Returns the answer, and how many of the prompt's tokens had not to be computed."""
        self.messages.append({"role": "user", "content": words})
        body = {"model": self._model, "messages": self.messages, "max_tokens": 16, "temperature": 0}
        answer = ask(self._server, "/v1/chat/completions", self._token, **body)
        content = answer["choices"][0]["message"]["content"]
        self.messages.append({"role": "assistant", "content": content})
        return content, answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def ask(server: LiveServer, path: str, token: str = "", **body: Any) -> Any:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def unloaded(server: LiveServer) -> None:
    until(lambda: server.status()["model"]["state"] == "unloaded", "\n".join(server.log))


def files(home: Path) -> list[Path]:
    folder = home / ".cache" / "hoshikage" / "kv"
    return sorted(folder.glob("*.kv")) if folder.exists() else []


def environ(home: Path, library: Path, store: str, **settings: str) -> dict[str, str]:
    usual = {"KV_REUSE": "prefix", "IDLE_TIMEOUT": "1", "KV_STORE": store, "N_CTX": "2048", "RAMDISK_PATH": "off"}
    return home_environ(home, library, **{**usual, **settings})


@pytest.fixture
def home(tmp_path: Path, demo_model: Path) -> Path:
    register(tmp_path, {LABEL: demo_model})
    return tmp_path


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, library_file: Path, demo_model: Path) -> list[str]:
    """Returns what the conversation's answers are where everything is computed."""
    alone = tmp_path_factory.mktemp("reference")
    register(alone, {LABEL: demo_model})
    with LiveServer(environ(alone, library_file, "off", KV_REUSE="off", IDLE_TIMEOUT="0")) as server:
        talk = Conversation(server)
        return [talk.say(words)[0] for words in (LONG, "And then?")]


@pytest.mark.parametrize("store", ["memory", "disk"])
def test_a_conversation_goes_on_after_an_idle_end(
    home: Path, library_file: Path, reference: list[str], store: str
) -> None:
    with LiveServer(environ(home, library_file, store)) as server:
        talk = Conversation(server)
        first = talk.say(LONG)
        unloaded(server)
        assert len(files(home)) == (store == "disk")
        second = talk.say("And then?")
        assert [first[0], second[0]] == reference
        assert first[1] == 0
        assert second[1] > 100


def test_nothing_is_written_unless_it_is_asked_for(home: Path, library_file: Path) -> None:
    with LiveServer(environ(home, library_file, "off")) as server:
        talk = Conversation(server)
        talk.say(LONG)
        unloaded(server)
        assert talk.say("And then?")[1] == 0
    assert not (home / ".cache" / "hoshikage" / "kv").exists()


def test_the_disk_outlives_the_server_and_serves_nobody_else(home: Path, library_file: Path) -> None:
    tokens = TokenStore(home / ".config" / "hoshikage" / "tokens.json")
    mine, other = tokens.create("mine", "api"), tokens.create("other", "api")
    settings = environ(home, library_file, "disk", IDLE_TIMEOUT="0", REQUIRE_TOKEN="always")
    with LiveServer(settings) as server:
        Conversation(server, mine).say(LONG)
    (file,) = files(home)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert mine.encode() not in file.read_bytes()
    with LiveServer(settings) as server:
        assert Conversation(server, other).say(LONG)[1] == 0
        assert Conversation(server, mine).say(LONG)[1] > 100


def test_a_damaged_file_is_passed_over_and_removed(home: Path, library_file: Path, reference: list[str]) -> None:
    settings = environ(home, library_file, "disk", IDLE_TIMEOUT="0")
    with LiveServer(settings) as server:
        Conversation(server).say(LONG)
    (file,) = files(home)
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    with LiveServer(settings) as server:
        assert Conversation(server).say(LONG) == (reference[0], 0)
        until(lambda: files(home) == [], "it is removed")


def test_another_release_is_never_offered_the_file(home: Path, libraries: dict[str, Path]) -> None:
    newest, older = libraries["v0.5.0"], libraries["b8390"]
    for library, cached in ((newest, False), (older, False), (newest, True)):
        with LiveServer(environ(home, library, "disk", IDLE_TIMEOUT="0")) as server:
            assert (Conversation(server).say(LONG)[1] > 100) == cached
    assert len(files(home)) == 2


def test_a_switch_of_models_puts_away_what_makes_way(home: Path, library_file: Path, endless_model: Path) -> None:
    register(home, {"endless": endless_model})
    with LiveServer(environ(home, library_file, "memory", IDLE_TIMEOUT="0")) as server:
        talk = Conversation(server)
        talk.say(LONG)
        ask(server, "/v1/completions", model="endless", prompt="a", max_tokens=1)
        assert talk.say("And then?")[1] > 100


def test_a_crash_puts_nothing_away(home: Path, library_file: Path) -> None:
    with LiveServer(environ(home, library_file, "disk", IDLE_TIMEOUT="0")) as server:
        talk = Conversation(server)
        talk.say(LONG)
        os.kill(server.status()["runner"]["pid"], signal.SIGKILL)
        unloaded(server)
        assert files(home) == []
        assert talk.say("And then?")[1] == 0


@linux
def test_a_sleeping_server_holds_no_conversation_in_memory(home: Path, library_file: Path) -> None:
    with LiveServer(environ(home, library_file, "memory", SLEEP_TIMEOUT="1")) as server:
        talk = Conversation(server)
        talk.say(LONG)
        asleep(server)
        held = [str(one.readlink()) for one in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        assert [one for one in held if "hoshikage-kv" in one] == []
        assert talk.say("And then?")[1] == 0


@linux
def test_the_working_folder_cannot_ask_for_it(
    home: Path, library_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cloned"
    folder.mkdir()
    (folder / ".env").write_text("KV_STORE=disk\nKV_STORE_SIZE=1\n", encoding="utf-8")
    settings = environ(home, library_file, "disk", IDLE_TIMEOUT="0", PYTHONPATH=str(Path.cwd()))
    del settings["KV_STORE"]
    monkeypatch.chdir(folder)
    with LiveServer(settings) as server:
        Conversation(server).say(LONG)
        assert any("KV_STORE" in line for line in server.log)
    assert files(home) == []
