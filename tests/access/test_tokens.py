"""Tests the token file: what it holds, who gets in, and what happens when it is not as it should be."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hoshikage.access.tokens import AccessToken, TokenStore
from hoshikage.errors import AuthenticationFailed, HoshikageError, NotFound, UsageError
from hoshikage.messages import LANGUAGES, text

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "config" / "tokens.json")


def content(store: TokenStore) -> Any:
    return json.loads(store.file.read_bytes())


def explained(error: HoshikageError, key: str) -> None:
    assert error.key == f"access.{key}"
    assert all(text(language, error.key, **error.details) for language in LANGUAGES)


def name_of(store: TokenStore, presented: str) -> str | None:
    found = store.verify(presented)
    return found.name if found else None


def test_a_token_lets_in_whom_it_was_made_for(store: TokenStore) -> None:
    api, admin = store.create("laptop", "api"), store.create("root", "admin")
    assert api.startswith("hsk-")
    assert len(api) == len("hsk-") + 43, "32 random bytes"
    assert api != admin
    found = store.verify(api)
    assert found is not None
    assert (found.name, found.scope) == ("laptop", "api")
    assert found.allows("api")
    assert not found.allows("admin")
    owner = store.verify(admin)
    assert owner is not None
    assert owner.allows("api")
    assert owner.allows("admin")


def test_nothing_else_lets_in(store: TokenStore) -> None:
    token = store.create("laptop", "api")
    stored = content(store)["laptop"]["sha256"]
    others = ("", "hsk-", token[:-1], token + "a", token.upper(), f" {token}", stored, "laptop", "星", "\ud800", "\0")
    assert [store.verify(other) for other in others] == [None] * len(others)


def test_nobody_gets_in_before_there_is_a_token(store: TokenStore) -> None:
    assert store.verify("") is None
    assert store.tokens() == ()
    assert not store.file.parent.exists()


def test_the_file_holds_hashes_and_is_its_owners_alone(store: TokenStore) -> None:
    before = os.umask(0)
    try:
        token = store.create("laptop", "api")
        assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
        store.file.chmod(0o644)
        store.create("phone", "api")
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
    raw = store.file.read_text()
    assert token not in raw
    assert token.removeprefix("hsk-") not in raw
    entry = content(store)["laptop"]
    assert entry.pop("created") > 1_700_000_000
    assert entry == {"scope": "api", "sha256": hashlib.sha256(token.encode()).hexdigest()}


def test_list(store: TokenStore) -> None:
    store.create("b", "api")
    store.create("a", "admin")
    first, second = store.tokens()
    assert [may for _, may in store.digests()] == [first.allows("admin"), second.allows("admin")]
    assert (first, second) == (AccessToken("b", "api", first.created), AccessToken("a", "admin", second.created))


def test_rotate_ends_the_old_one_at_once(store: TokenStore) -> None:
    server = TokenStore(store.file)
    old = store.create("laptop", "admin")
    assert name_of(server, old) == "laptop"
    new = store.rotate("laptop")
    assert server.verify(old) is None
    found = server.verify(new)
    assert found is not None
    assert (found.name, found.scope) == ("laptop", "admin"), "it keeps what it may do"


def test_revoke_ends_it_at_once(store: TokenStore) -> None:
    server = TokenStore(store.file)
    token, other = store.create("laptop", "api"), store.create("phone", "api")
    assert name_of(server, token) == "laptop"
    store.revoke("laptop")
    assert server.verify(token) is None
    assert name_of(server, other) == "phone"
    store.revoke("phone")
    assert server.tokens() == ()


def test_a_file_that_goes_lets_nobody_in(store: TokenStore) -> None:
    token = store.create("laptop", "api")
    store.file.unlink()
    assert store.verify(token) is None


def test_what_is_not_there_cannot_be_changed(store: TokenStore) -> None:
    store.create("laptop", "api")
    for change in (store.rotate, store.revoke):
        with pytest.raises(NotFound) as caught:
            change("phone")
        explained(caught.value, "token_unknown")
        assert caught.value.details == {"name": "phone", "known": "laptop"}


def test_a_name_is_taken_once(store: TokenStore) -> None:
    token = store.create("laptop", "api")
    with pytest.raises(UsageError) as caught:
        store.create("laptop", "admin")
    explained(caught.value, "token_exists")
    assert name_of(store, token) == "laptop"


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "a/b", "星", "a" * 65, "a\n"])
def test_names_that_cannot_be(name: str, store: TokenStore) -> None:
    with pytest.raises(UsageError) as caught:
        store.create(name, "api")
    explained(caught.value, "name_invalid")
    assert not store.file.exists()


def test_what_someone_added_to_an_entry_survives(store: TokenStore) -> None:
    store.create("laptop", "api")
    raw = content(store)
    raw["laptop"]["note"] = "星"
    store.file.write_text(json.dumps(raw))
    store.rotate("laptop")
    assert content(store)["laptop"]["note"] == "星"


SOUND = {"scope": "api", "sha256": "0" * 64, "created": 1}
CHANGES: list[tuple[str, dict[str, object]]] = [
    ("a b", {}),
    ("a", {"scope": "root"}),
    ("a", {"scope": ["api"]}),
    ("a", {"sha256": "0" * 63}),
    ("a", {"sha256": "G" * 64}),
    ("a", {"sha256": None}),
    ("a", {"created": -1}),
    ("a", {"created": True}),
    ("a", {"created": "1"}),
]
DAMAGED: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b"[" * 100_000,
    b'{"a": 1}',
    b'{"a": {}, "a": {}}',
    *(json.dumps({name: {**SOUND, **change}}).encode() for name, change in CHANGES),
]


def shut(store: TokenStore, token: str, key: str) -> None:
    """Nobody gets in, everybody is told why, and nothing is written over."""
    with pytest.raises(AuthenticationFailed) as refused:
        store.verify(token)
    assert refused.value.status == 401
    explained(refused.value, "tokens_out_of_order")
    attempts: list[Callable[[], object]] = [
        store.tokens,
        lambda: store.create("new", "api"),
        lambda: store.rotate("laptop"),
        lambda: store.revoke("laptop"),
    ]
    for attempt in attempts:
        with pytest.raises(UsageError) as caught:
            attempt()
        assert str(store.file) in str(caught.value.details["file"])
        explained(caught.value, key)


@pytest.mark.parametrize("damage", DAMAGED, ids=lambda damage: repr(damage[:40]))
def test_a_damaged_file_lets_nobody_in_until_it_is_mended(damage: bytes, store: TokenStore) -> None:
    token = store.create("laptop", "api")
    sound = store.file.read_bytes()
    assert name_of(store, token) == "laptop"
    store.file.write_bytes(damage)
    shut(store, token, "tokens_damaged")
    assert store.file.read_bytes() == damage
    store.file.write_bytes(sound)
    assert name_of(store, token) == "laptop"


def test_a_file_that_is_too_big(store: TokenStore) -> None:
    token = store.create("laptop", "api")
    os.truncate(store.file, 1024 * 1024 + 1)
    shut(store, token, "tokens_damaged")


def test_a_pipe_does_not_block(store: TokenStore) -> None:
    token = store.create("laptop", "api")
    store.file.unlink()
    os.mkfifo(store.file, 0o600)
    shut(store, token, "tokens_damaged")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_lets_nobody_in(mode: int, store: TokenStore) -> None:
    token = store.create("laptop", "api")
    store.file.chmod(mode)
    shut(store, token, "tokens_exposed")
    store.file.chmod(0o600)
    assert name_of(store, token) == "laptop"


def test_a_folder_in_its_place(store: TokenStore) -> None:
    store.file.mkdir(parents=True)
    with pytest.raises(AuthenticationFailed):
        store.verify("x")
    with pytest.raises(UsageError) as read:
        store.tokens()
    explained(read.value, "tokens_unreadable")
    with pytest.raises(UsageError) as written:
        store.create("a", "api")
    explained(written.value, "tokens_unwritable")


def test_a_write_that_fails_leaves_the_old_file(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    token = store.create("laptop", "api")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError) as caught:
        store.revoke("laptop")
    explained(caught.value, "tokens_unwritable")
    assert name_of(store, token) == "laptop"
    assert {file.name for file in store.file.parent.iterdir()} == {"tokens.json", "tokens.json.lock"}


@pytest.mark.process
def test_processes_lose_none_of_each_others_changes(store: TokenStore) -> None:
    program = (
        "import sys; from pathlib import Path; from hoshikage.access.tokens import TokenStore\n"
        "store = TokenStore(Path(sys.argv[1]))\n"
        "print(*[store.create(f'{sys.argv[2]}-{i}', 'api') for i in range(10)])"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(store.file), str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    made = [writer.communicate(timeout=60)[0].split() for writer in writers]
    assert [[name_of(store, token) for token in tokens] for tokens in made] == [
        [f"{number}-{i}" for i in range(10)] for number in range(4)
    ]
    assert len(store.tokens()) == 40
