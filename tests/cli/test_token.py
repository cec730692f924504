"""Tests hoshikage token, over the real file."""

from __future__ import annotations

import json
import stat

import pytest

from hoshikage.access.tokens import TokenStore
from hoshikage.settings import config_dir
from tests.cli.conftest import Cli


@pytest.fixture
def store(cli: Cli) -> TokenStore:
    """Gives what a server would read, in the empty home."""
    return TokenStore(config_dir() / "tokens.json")


def made(out: str) -> str:
    (token,) = (line.strip() for line in out.splitlines() if line.strip().startswith("hsk-"))
    return token


def test_create_list_rotate_revoke(cli: Cli, store: TokenStore) -> None:
    ran = cli("token", "create", "laptop")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("Token created (it will not be shown again):\n\n  hsk-")
    token = made(ran.out)
    found = store.verify(token)
    assert found is not None
    assert (found.name, found.scope) == ("laptop", "api")
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600

    cli("token", "create", "boss", "--admin")
    header, first, second = cli("token", "list").out.splitlines()
    assert header.split() == ["Name", "Scope", "Made"]
    assert first.split("  ")[:2] == ["laptop", "use the API"]
    assert second.startswith("boss ")
    assert "use the API and administer" in second

    ran = cli("token", "rotate", "laptop")
    assert store.verify(token) is None
    assert store.verify(made(ran.out)) is not None

    assert cli("token", "revoke", "laptop").out == "The token “laptop” no longer works.\n"
    assert [left.name for left in store.tokens()] == ["boss"]


def test_json(cli: Cli, store: TokenStore) -> None:
    assert cli("token", "list", "--json").data == {"file": str(store.file), "tokens": []}
    created = cli("token", "create", "boss", "--admin", "--json").data
    assert created["name"] == "boss"
    found = store.verify(created["token"])
    assert found is not None
    assert cli("token", "--json").data == {
        "file": str(store.file),
        "tokens": [{"name": "boss", "scope": "admin", "created": found.created}],
    }
    rotated = cli("token", "rotate", "boss", "--json").data
    assert store.verify(rotated["token"]) is not None
    assert cli("token", "revoke", "boss", "--json").data == {"name": "boss"}


def test_without_a_verb_it_lists(cli: Cli) -> None:
    assert cli("token").out == "There are no tokens. Make one with `hoshikage token create NAME`.\n"
    assert cli("token", "--lang", "ja").out.startswith("トークンはありません。")


def test_no_token_is_shown_twice(cli: Cli) -> None:
    token = made(cli("token", "create", "laptop").out)
    for arguments in (("list",), ("list", "--json"), ("revoke", "laptop")):
        assert token not in cli("token", *arguments).out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("rotate", "phone"), 1, "error: There is no token “phone”. Available: laptop\n"),
        (("revoke", "phone"), 1, "error: There is no token “phone”. Available: laptop\n"),
        (("create", "laptop"), 2, "error: There is a token “laptop” already."),
        (("create", "a b"), 2, "error: A token cannot be named “a b”."),
        (("create",), 2, "error: Missing arguments: NAME"),
        (("steal", "laptop"), 2, "error: "),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], status: int, message: str, cli: Cli, store: TokenStore) -> None:
    cli("token", "create", "laptop")
    before = store.file.read_bytes()
    ran = cli("token", *arguments)
    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith(message)
    assert store.file.read_bytes() == before


def test_a_damaged_file_is_named_and_left_alone(cli: Cli, store: TokenStore) -> None:
    cli("token", "create", "laptop")
    store.file.write_text("{")
    for arguments in (("list",), ("create", "phone"), ("rotate", "laptop"), ("revoke", "laptop")):
        ran = cli("token", *arguments)
        assert ran.status == 2
        assert f"The token file {store.file} is damaged" in ran.err
    assert store.file.read_text() == "{"


def test_in_japanese(cli: Cli, store: TokenStore) -> None:
    out = cli("token", "create", "laptop", "--lang", "ja").out
    assert out.startswith("トークンを作りました。")
    assert made(out)
    assert "API の利用" in cli("token", "list", "--lang", "ja").out
    assert json.loads(store.file.read_bytes())["laptop"]["scope"] == "api"
