"""Keeps access tokens, tokens.json: who may use the server and for what. Any thread; many processes at once.

    {"NAME": {"scope": "api", "sha256": "<64 hex digits>", "created": 1735689600}}

A token is 32 random bytes and is shown once; the file holds its SHA-256 alone. No slow hash is needed: those protect
passwords, which can be guessed, and 2^256 values cannot, however fast one tries. A slow hash would only give
strangers a way to keep the machine busy.

Readers take no lock: a write replaces the file as a whole, and the change counts from the next request on. While the
file is damaged or others may write to it, nobody gets in, and it is never written over.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from hoshikage.errors import AuthenticationFailed, NotFound, Unavailable, UsageError
from hoshikage.frozen import Frozen
from hoshikage.locked_file import (
    PRIVATE,
    WAIT_S,
    FileBusy,
    LockedFile,
    NoSmallFile,
    Signature,
    dump,
    parse_object,
    signature,
)

Scope = Literal["api", "admin"]
PREFIX: Final = "hsk-"
"""Makes a leaked token recognisable to people and to scanners."""
RANDOM_BYTES: Final = 32
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HASH: Final = re.compile(r"[0-9a-f]{64}")
MAX_FILE_BYTES: Final = 1024 * 1024


class AccessToken(Frozen, frozen=True):
    """This is known of a token; never the token itself."""

    name: str
    scope: Scope
    created: int
    """`created` is the Unix time at which the token was made or last rotated."""

    def allows(self, needed: Scope) -> bool:
        """`admin` allows everything, `api` what clients do."""
        return self.scope in ("admin", needed)


class _Entry(Frozen, frozen=True):
    token: AccessToken
    sha256: bytes
    """`sha256` is the token's hash, in hexadecimal digits."""


class _TokenSnapshot(Frozen, frozen=True):
    """One state of the file says this. `signature` is None where there is no file."""

    signature: Signature | None
    entries: tuple[_Entry, ...] = ()
    error: UsageError | None = None


class TokenStore:
    """This is tokens.json, looked at anew whenever it has changed, by whichever process."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._store = LockedFile(file, mode=PRIVATE, max_bytes=MAX_FILE_BYTES)
        self._snapshot = _TokenSnapshot(None)

    def verify(self, presented: str) -> AccessToken | None:
        """Returns the token that was presented, None for any other text.

        Raises AuthenticationFailed while the file cannot be used: it is not the caller's fault, yet nobody gets in.
        """
        snapshot = self._current()
        if snapshot.error is not None:
            raise AuthenticationFailed("access.tokens_out_of_order")
        digest = _hash(presented).encode()
        result = None
        for entry in snapshot.entries:  # all of them, so that the time says nothing about which one matched
            if hmac.compare_digest(digest, entry.sha256):
                result = entry.token
        return result

    def tokens(self) -> tuple[AccessToken, ...]:
        """Lists all of them, in the order of their making. Raises UsageError, which says what is wrong with the
        file."""
        snapshot = self._current()
        if snapshot.error is not None:
            raise snapshot.error
        return tuple(entry.token for entry in snapshot.entries)

    def digests(self) -> list[tuple[str, bool]]:
        """The tokens' hashes in hexadecimal, each with whether it may administer; none where the file cannot be
        used."""
        return [(entry.sha256.decode(), entry.token.allows("admin")) for entry in self._current().entries]

    def create(self, name: str, scope: Scope) -> str:
        """Makes a new token, durably; this is the only time it is seen. Raises UsageError, Unavailable."""
        if not NAME.fullmatch(name):
            raise UsageError("access.name_invalid", name=name)

        def change(entries: dict[str, Any], token: str) -> None:
            if name in entries:
                raise UsageError("access.token_exists", name=name)
            entries[name] = {"scope": scope, **_fresh(token)}

        return self._update(change)

    def rotate(self, name: str) -> str:
        """Makes a new token in the place of the one of that name, which ends at once. Raises NotFound and as
        `create`."""

        def change(entries: dict[str, Any], token: str) -> None:
            _existing(entries, name).update(_fresh(token))

        return self._update(change)

    def revoke(self, name: str) -> None:
        """Ends a token at once. Raises NotFound and as `create`."""

        def change(entries: dict[str, Any], _: str) -> None:
            _existing(entries, name)
            del entries[name]

        self._update(change)

    def _current(self) -> _TokenSnapshot:
        before = self._snapshot
        try:
            if before.signature == signature(self._store.status()):
                return before
            seen, raw = self._read()
            after = _TokenSnapshot(seen, tuple(_entry(name, value) for name, value in raw.items()))
        except FileNotFoundError:
            after = _TokenSnapshot(None)
        except OSError as error:
            reason = error.strerror or str(error)
            after = _TokenSnapshot(
                None, error=UsageError("access.tokens_unreadable", file=str(self.file), reason=reason)
            )
        except UsageError as error:
            after = _TokenSnapshot(None, error=error)
        self._snapshot = after
        return after

    def _update(self, change: Callable[[dict[str, Any], str], None]) -> str:
        """Applies `change`, which is given a fresh token, under the writers' lock and makes the outcome durable."""
        token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        try:
            with self._store.locked():
                try:
                    entries = self._read()[1]
                except FileNotFoundError:
                    entries = {}
                change(entries, token)
                self._store.write(dump(entries))
                return token
        except FileBusy:
            raise Unavailable("access.tokens_busy", file=str(self._store.lock), seconds=int(WAIT_S)) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError("access.tokens_unwritable", file=str(self.file), reason=reason) from None

    def _read(self) -> tuple[Signature, dict[str, Any]]:
        """Reads the file's entries, all of them sound, and the signature of exactly them. Raises OSError,
        UsageError."""
        try:
            content = self._store.read()
            if os.name == "posix" and content.status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise UsageError("access.tokens_exposed", file=str(self.file))
            result = parse_object(content.data)
            if result.doubled or result.doubled_within:
                raise ValueError(result)
            for name, value in result.entries.items():
                _entry(name, value)
        except (NoSmallFile, ValueError, RecursionError):
            raise UsageError("access.tokens_damaged", file=str(self.file)) from None
        return content.signature, result.entries


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _fresh(token: str) -> dict[str, Any]:
    return {"sha256": _hash(token), "created": int(time.time())}


def _existing(entries: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in entries:
        raise NotFound("access.token_unknown", name=name, known=", ".join(entries) or "–")
    return cast("dict[str, Any]", entries[name])


def _entry(name: str, value: Any) -> _Entry:
    """Raises ValueError for what this program would not write."""
    if not NAME.fullmatch(name) or not isinstance(value, dict):
        raise ValueError(name)
    scope, sha256, created = (value.get(key) for key in ("scope", "sha256", "created"))
    if scope not in get_args(Scope) or not isinstance(sha256, str) or not HASH.fullmatch(sha256):
        raise ValueError(name)
    if type(created) is not int or not 0 <= created < 2**53:
        raise ValueError(name)
    return _Entry(AccessToken(name, cast(Scope, scope), created), sha256.encode())
