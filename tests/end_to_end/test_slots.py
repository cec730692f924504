"""Tests llama-server's slot actions and `hoshikage cache`, with a real server and a real model."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hoshikage.access.tokens import TokenStore
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer
from tests.end_to_end.test_kv_store import LONG, Conversation, environ


class Admin:
    """This is a server, and somebody who administers it."""

    def __init__(self, server: LiveServer, home: Path, tokens: dict[str, str]) -> None:
        self.server = server
        self.home = home
        self.tokens = tokens

    @property
    def folder(self) -> Path:
        return self.home / ".cache" / "hoshikage" / "kv" / "slots"

    def post(self, path: str, body: Any = None, token: str = "boss") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.tokens[token]}"}
        data = b"" if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.server.url + path, data, headers, method="POST"), timeout=60
            ) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]["message"]

    def act(self, action: str, name: str | None = None, slot: str = "0", **more: Any) -> tuple[int, Any]:
        return self.post(f"/slots/{slot}?action={action}", None if name is None else {"filename": name}, **more)

    def command(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "hoshikage", *arguments, "--port", str(self.server.port), "--json"]
        ran = subprocess.run(command, env=self.server.environ, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory, library_file: Path, demo_model: Path) -> Iterator[Admin]:
    home = tmp_path_factory.mktemp("home")
    register(home, {LABEL: demo_model})
    store = TokenStore(home / ".config" / "hoshikage" / "tokens.json")
    tokens = {"boss": store.create("boss", "admin"), "client": store.create("client", "api")}
    with LiveServer(environ(home, library_file, "disk", IDLE_TIMEOUT="0", REQUIRE_TOKEN="always")) as live:
        yield Admin(live, home, tokens)


@pytest.fixture
def talk(admin: Admin) -> Conversation:
    result = Conversation(admin.server, admin.tokens["client"])
    result.say(LONG)
    return result


def test_a_slot_is_saved_emptied_and_restored(admin: Admin, talk: Conversation) -> None:
    status, saved = admin.act("save", "talk.bin")
    assert status == 200, saved
    assert (saved["id_slot"], saved["filename"]) == (0, "talk.bin")
    file = admin.folder / "talk.bin"
    assert saved["n_written"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert saved["timings"]["save_ms"] > 0
    assert admin.act("erase") == (200, {"id_slot": 0, "n_erased": saved["n_saved"]})
    assert admin.act("erase") == (200, {"id_slot": 0, "n_erased": 0})
    status, restored = admin.act("restore", "talk.bin")
    assert (status, restored["n_restored"], restored["filename"]) == (200, saved["n_saved"], "talk.bin")
    assert restored["timings"]["restore_ms"] > 0
    text, cached = talk.say("And then?")
    assert cached > 100
    alone = Conversation(admin.server, admin.tokens["client"])
    alone.messages = talk.messages[:2]
    admin.act("erase")
    assert alone.say("And then?") == (text, 0)


def test_a_restored_slot_is_its_callers(admin: Admin, talk: Conversation) -> None:
    assert admin.act("save", "of the client")[0] == 200
    admin.act("erase")
    assert admin.act("restore", "of the client")[0] == 200
    other = Conversation(admin.server, admin.tokens["boss"])
    assert other.say(LONG)[1] == 0


def test_a_save_takes_the_place_of_the_one_before(admin: Admin, talk: Conversation) -> None:
    first = admin.act("save", "again.bin")[1]
    talk.say("And then?")
    second = admin.act("save", "again.bin")[1]
    assert second["n_saved"] > first["n_saved"]
    assert sorted(file.name for file in admin.folder.iterdir() if file.name.startswith("part-")) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a\\b", "/etc/x", ".hidden", "x" * 129, "nul.bin", "a\0b", "dot."]
)
def test_a_name_that_is_none_is_refused(admin: Admin, name: str) -> None:
    for action in ("save", "restore"):
        status, words = admin.act(action, name)
        assert status == 400
        assert "filename" in words


def test_what_cannot_be_done_is_refused_in_words(admin: Admin, talk: Conversation) -> None:
    assert admin.act("restore", "nowhere")[0] == 400
    assert admin.act("save", "x", slot="1")[0] == 400
    assert admin.act("save", "x", slot="one")[0] == 400
    assert admin.act("shred", "x")[0] == 400
    assert admin.act("save", None)[0] == 400
    admin.act("erase")
    status, words = admin.act("save", "x")
    assert status == 400
    assert "KV_REUSE=prefix" in words
    assert not (admin.folder / "x").exists()


def test_a_damaged_file_and_one_that_is_none_are_not_restored(admin: Admin, talk: Conversation) -> None:
    assert admin.act("save", "damaged")[0] == 200
    file = admin.folder / "damaged"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert admin.act("restore", "damaged")[0] == 400
    file.write_bytes(b"words")
    assert admin.act("restore", "damaged")[0] == 400
    assert talk.say("And then?")[0]


def test_only_who_may_administer_does_it(admin: Admin) -> None:
    assert admin.act("save", "mine", token="client")[0] == 403


def test_without_the_disk_there_is_none_of_it(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    boss = TokenStore(tmp_path / ".config" / "hoshikage" / "tokens.json").create("boss", "admin")
    with LiveServer(environ(tmp_path, library_file, "memory")) as server:
        own = Admin(server, tmp_path, {"boss": boss})
        for action in ("save", "restore", "erase"):
            status, words = own.act(action, "x")
            assert status == 501
            assert "KV_STORE=disk" in words
        talk = Conversation(server)
        talk.say(LONG)
        own.post("/admin/unload")
        (row,) = own.command("cache")["data"]
        assert (row["where"], row["model"]) == ("memory", LABEL)
        assert own.command("cache", "clear")["removed"] == 1
        assert talk.say("And then?")[1] == 0
    assert not (tmp_path / ".cache" / "hoshikage" / "kv").exists()


def test_what_is_stored_is_listed_and_cleared(admin: Admin, talk: Conversation) -> None:
    admin.act("save", "listed.bin")
    assert admin.post("/admin/unload")[0] == 200
    rows = admin.command("cache", "list")["data"]
    slot = next(row for row in rows if row["name"] == "listed.bin")
    disk = next(row for row in rows if row["where"] == "disk")
    assert slot["tokens"] == disk["tokens"] > 100
    assert slot["model"] == disk["model"] == LABEL
    assert slot["caller"] == disk["caller"] == "client"
    assert admin.command("cache", "clear")["removed"] == len(rows)
    assert admin.command("cache")["data"] == []
    assert [file for file in admin.folder.parent.rglob("*") if file.is_file()] == []
    assert talk.say("And then?")[1] == 0
