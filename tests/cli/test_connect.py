"""Tests connect: what is shown, what is written and what is left, and a real request in each program's form."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from hoshikage.access.tokens import TokenStore
from hoshikage.programs.table import PROGRAMS
from hoshikage.registry import Registry
from hoshikage.settings import config_dir
from tests.cli.conftest import Cli, Ran, Running
from tests.gguf_files import U32, Gguf


@pytest.fixture
def star(registry: Registry, work: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Registers a registered model, and no server."""
    file = Gguf().write(work / "star.gguf")
    registry.add("star", file)
    monkeypatch.setenv("PORT", str(unused_tcp_port))
    monkeypatch.setattr(Path, "home", lambda: work / "home")
    return work / "home"


def opencode_file() -> Path:
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "opencode" / "opencode.json"
    file.parent.mkdir(parents=True)
    return file


def test_without_a_name_every_program_is_listed(cli: Cli, work: Path) -> None:
    ran = cli("connect")
    assert ran.status == 0
    assert [name for name in PROGRAMS if name not in ran.out] == []
    assert [one["program"] for one in cli("connect", "--json").data] == list(PROGRAMS)


def test_what_is_shown_is_what_would_be_written(cli: Cli, star: Path) -> None:
    shown = cli("connect", "codex")
    assert "this was made from the registry" in shown.err
    assert f'# {star / ".codex" / "hoshikage.config.toml"}\nmodel = "star"\n' in shown.out
    assert shown.out.rstrip().endswith("codex -p hoshikage")
    assert not star.exists(), "to look changes nothing"
    assert cli("connect", "codex", "--write").status == 0
    written = (star / ".codex" / "hoshikage.config.toml").read_text("utf-8")
    assert written in shown.out


def test_a_write_shows_the_difference_and_keeps_what_was_there(cli: Cli, star: Path) -> None:
    file = opencode_file()
    mine = '{\n  // mine\n  "theme": "dark"\n}\n'
    file.write_text(mine, "utf-8")
    ran = cli("connect", "opencode", "--write", "--token")
    token = json.loads(file.read_text("utf-8").replace("// mine", ""))["provider"]["hoshikage"]["options"]["apiKey"]
    assert token.startswith("hsk-")
    assert token not in ran.err, "a screen is often shared"
    assert '+  "theme": "dark",' in ran.err
    assert "hsk-***" in ran.err
    backup = file.with_name("opencode.json.before-hoshikage")
    assert backup.read_text("utf-8") == mine
    assert cli("connect", "opencode", "--write", "--token").status == 0
    assert backup.read_text("utf-8") == mine, "the first state is the one to go back to"
    store = TokenStore(config_dir() / "tokens.json")
    assert store.verify(token) is None, "the earlier token has ended"
    assert [one.name for one in store.tokens()] == ["connect-opencode"]


def test_a_file_with_a_token_is_its_owners_alone(cli: Cli, star: Path) -> None:
    cli("connect", "claude-code", "--write", "--token")
    assert stat.S_IMODE((star / ".claude" / "hoshikage.json").stat().st_mode) == 0o600
    assert (
        "Everything is written like that already"
        in cli("connect", "codex", "--write").err + cli("connect", "codex", "--write").err
    )


def test_a_file_that_cannot_be_changed_stays(cli: Cli, star: Path) -> None:
    file = opencode_file()
    file.write_text("{ not json", "utf-8")
    ran = cli("connect", "opencode", "--write")
    assert ran.status == 2
    assert "is not JSON that can be changed" in ran.err
    assert file.read_text("utf-8") == "{ not json"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1,\r\n "b" 2}', "2 行 6 文字目が JSON として読めない"),
        (b"{} /* x", "1 行 4 文字目で始まるかっこ、文字列、またはコメントが閉じていない"),
        (b"[" * 101 + b"]" * 101, "1 行 101 文字目で、かっこの重なりが深くなりすぎる"),
        (b'{"provider": null}', "1 行 14 文字目に、オブジェクト（名前と値の組）ではないもの"),
        (b'{"a": "\xff"}', "UTF-8 のテキストではないので、何も書きませんでした（8 バイト目）"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_the_users_language(
    cli: Cli, star: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    monkeypatch.setenv("HOSHIKAGE_LANG", "ja")
    file = opencode_file()
    file.write_bytes(content)
    ran = cli("connect", "opencode", "--write")
    assert ran.status == 2
    assert words in ran.err
    assert file.read_bytes() == content


def test_a_file_of_windows_changes_where_ours_is_put_alone(cli: Cli, star: Path) -> None:
    file = opencode_file()
    mine = b'\xef\xbb\xbf{\r\n  // mine\n  "theme": "dark"\r\n}\r\n'
    file.write_bytes(mine)
    ran = cli("connect", "opencode", "--write")
    assert ran.status == 0, ran.err
    after = file.read_bytes()
    head, tail = b'\xef\xbb\xbf{\r\n  // mine\n  "theme": "dark",\r\n', b"\r\n}\r\n"
    assert after.startswith(head)
    assert after.endswith(tail)
    assert b"\n" not in after[len(head) :].replace(b"\r\n", b"")
    removed = [line for line in ran.err.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert removed == ['-  "theme": "dark"']
    assert "\ufeff" not in ran.err
    assert file.with_name("opencode.json.before-hoshikage").read_bytes() == mine
    assert "is written like that already" in cli("connect", "opencode", "--write").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "There is no program “nothing” here"),
        (("codex", "--url", "somewhere"), "--url cannot be “somewhere”"),
        (("codex", "--model", "moon"), "No model “moon” that writes text"),
        (("open-webui", "--write"), "has no file that could be written"),
    ],
)
def test_wrong_use_is_told(cli: Cli, star: Path, arguments: tuple[str, ...], words: str) -> None:
    ran = cli("connect", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert not (config_dir() / "tokens.json").exists()


def test_another_address_and_a_small_context(cli: Cli, star: Path) -> None:
    Gguf().with_pair("llama.context_length", U32, 1 << 20).write(star.parent / "star.gguf")
    ran = cli("connect", "claude-code", "--url", "https://star.example/v1/", "--json")
    assert ran.data["url"] == "https://star.example"
    assert json.loads(ran.data["files"][0]["text"])["env"]["ANTHROPIC_BASE_URL"] == "https://star.example"
    assert "set N_CTX to 32768 or more" in ran.err


def test_a_model_that_was_trained_for_little_is_not_helped_by_n_ctx(cli: Cli, registry: Registry, star: Path) -> None:
    registry.add("short", Gguf().with_pair("llama.context_length", U32, 1024).write(star.parent / "short.gguf"))
    for language, words in (("en", "choose a model that was trained for a longer context"), ("ja", "`--model`")):
        ran = cli("connect", "codex", "--model", "short", "--lang", language)
        assert words in ran.err
        assert "set N_CTX" not in ran.err


@pytest.mark.parametrize("name", ["codex", "claude-code", "opencode", "qwen-code", "aider"])
def test_a_later_write_keeps_the_token_that_stands_there(cli: Cli, star: Path, name: str) -> None:
    def token_of(ran: Ran) -> list[str]:
        return re.findall(
            r"hsk-[\w-]{20,}", " ".join(Path(one["file"]).read_text("utf-8") for one in ran.data["files"])
        )

    store = TokenStore(config_dir() / "tokens.json")
    first = cli("connect", name, "--write", "--yes", "--token", "--json")
    token = token_of(first)
    assert len(token) == 1
    again = cli("connect", name, "--write", "--yes", "--json")
    assert (again.status, token_of(again)) == (0, token)
    assert store.verify(token[0]) is not None, "it holds as before"
    elsewhere = cli("connect", name, "--write", "--yes", "--url", "https://star.example", "--json")
    assert token_of(elsewhere) == [], "another server is not given it"
    cli("connect", name, "--write", "--yes", "--token")
    store.revoke(f"connect-{name}")
    assert token_of(cli("connect", name, "--write", "--yes", "--json")) == [], "one that has ended is of no use"


def test_a_key_that_the_editor_keeps_stays_where_it_is(cli: Cli, star: Path) -> None:
    ran = cli("connect", "vscode", "--write", "--yes", "--json")
    file = Path(ran.data["files"][0]["file"])
    file.write_text(file.read_text("utf-8").replace('"none"', '"${input:chat.lm.secret.1}"'), "utf-8")
    before = file.read_bytes()
    assert "Everything is written like that already" in cli("connect", "vscode", "--write", "--yes").err
    assert file.read_bytes() == before
    cli("connect", "vscode", "--write", "--yes", "--url", "https://star.example")
    assert "input:" not in file.read_text("utf-8"), "another server is not given it"


@pytest.mark.parametrize("name", ["codex", "claude-code", "qwen-code", "aider", "llama-vim", "llama-vscode"])
def test_without_a_model_the_one_that_stands_there_else_the_default_one(
    cli: Cli, star: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for label in ("moon", "sun"):
        registry.add(label, Gguf().with_pair("tokenizer.ggml.fim_pre_token_id", U32, 1).write(star.parent / label))
    monkeypatch.setenv("DEFAULT_MODEL", "sun")
    assert cli("connect", name, "--json").data["model"] == "sun"
    assert cli("connect", name, "--model", "moon", "--write", "--yes").status == 0
    assert cli("connect", name, "--json").data["model"] == "moon"
    written = cli("connect", name, "--write", "--yes", "--json").data
    assert (written["model"], written["written"]) == ("moon", [])
    assert cli("connect", name, "--model", "sun", "--json").data["model"] == "sun"


@pytest.mark.process
def test_a_check_alone_tries_what_stands_there(cli: Cli, server: Running, star: Path) -> None:
    at = ("--port", str(server.port))
    cli("connect", "codex", "--model", "first", "--write", "--yes", "--token", *at)
    assert "was answered to its end by model first" in cli("connect", "codex", "--check", *at).out


@pytest.mark.process
@pytest.mark.parametrize("name", ["codex", "claude-code", "opencode", "open-webui"])
def test_one_request_in_each_form(cli: Cli, server: Running, name: str) -> None:
    ran = cli("connect", name, "--check")
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    assert f"A request in the form of {PROGRAMS[name].title}" in ran.out
    assert "was made from the registry" not in ran.err


@pytest.mark.process
def test_a_failed_check_says_what_is_wrong(cli: Cli, server: Running, star: Path) -> None:
    ran = cli("connect", "codex", "--check", "--port", str(server.port), "--url", "http://127.0.0.1:9")
    assert (ran.status, ran.out) == (1, "")
    assert "http://127.0.0.1:9 cannot be reached" in ran.err
    ran = cli("connect", "llama-vim", "--check", "--port", str(server.port))
    assert ran.status == 1
    assert "needs a model that fills in the middle" in ran.err
    assert "The server refused it" in ran.err


@pytest.mark.process
def test_capabilities_are_the_same_with_a_server_and_without_one(cli: Cli, server: Running, work: Path) -> None:
    def told(*arguments: str) -> Any:
        found = cli("connect", "opencode", "--url", "http://same", "--json", *arguments).data
        return found["files"], found["commands"]

    with_server = told("--model", "first")
    assert told("--model", "first", "--port", "9") == with_server
