"""Keeps the token by which a user's own commands administer that user's server: a file of its own, 0600. Any thread.

The server makes the file, the commands read it. Before a command shows the token to whatever listens on the
server's port, that has to prove that it knows the token too: otherwise anyone on the machine could wait there, while
the server is down, and be handed it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

from hoshikage.access.tokens import PREFIX, RANDOM_BYTES
from hoshikage.locked_file import PRIVATE, LockedFile

TOKEN: Final = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}")
MAX_BYTES: Final = 256
CHALLENGE: Final = re.compile(r"[0-9a-f]{32}")
Address = tuple[str, int]
"""The server's end of a connection has an IP address and a port."""


def prepare(file: Path) -> str:
    """Returns the token in `file`, made where there is none, or none that only this user could read. Raises OSError."""
    store = _store(file)
    if (known := read(file)) is not None:
        store.sweep()
        return known
    with store.locked():
        token = read(file)
        if token is None:
            token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
            store.write(f"{token}\n".encode())
        return token


def read(file: Path) -> str | None:
    """Reads the token in `file`; None where it is absent or damaged, or was open to others and so may be known to
    them."""
    try:
        content = _store(file).read()
    except OSError:
        return None
    if os.name == "posix" and not _is_mine_alone(content.status):
        return None
    word = content.data.decode("ascii", "replace").strip()
    return word if TOKEN.fullmatch(word) else None


def _store(file: Path) -> LockedFile:
    """A link in the file's place is no token: whoever made it may know where it leads."""
    return LockedFile(file, mode=PRIVATE, max_bytes=MAX_BYTES, follow_link=False)


def _is_mine_alone(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def challenge() -> str:
    """Draws random digits that nobody can have seen the answer to."""
    return secrets.token_hex(16)


def proof(token: str, challenge: str, server: Address) -> str:
    """Makes a text that shows that its maker knows the token. It is bound to the server's address, so that it cannot be
    passed on."""
    text = f"hoshikage {challenge} {server[0]} {server[1]}".encode()
    return hmac.new(token.encode(), text, hashlib.sha256).hexdigest()
