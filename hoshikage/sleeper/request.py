"""Requests as a sleeping server reads them: what is not plain it does not read. Pure; one thread."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing has it, whose import would be half of what this program takes
    from typing import Any

TCHAR = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Unsure(Exception):
    """The sleeper raises this for what it is not to answer."""


def request_of(head: bytes) -> tuple[bytes, str, dict[str, list[str]]]:
    """Returns method, target and headers (small names, every value in its order). Raises Unsure for what is not
    plain."""
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or words[2] != b"HTTP/1.1" or not words[1].startswith(b"/"):
        raise Unsure
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, mark, value = line.partition(b":")
        if not mark or not name or not TCHAR.issuperset(name):
            raise Unsure
        headers.setdefault(name.decode().lower(), []).append(value.strip(b" \t").decode("latin-1"))
    return words[0], words[1].decode("latin-1"), headers


def name_of(authority: str) -> str:
    """Returns `host` of `host` or `host:port`, in small letters."""
    authority = authority.lower()
    if authority.startswith("["):
        name, mark, rest = authority[1:].partition("]")
    else:
        name, mark, rest = authority.partition(":")
        rest = mark + rest
    if not name or (rest and not (rest[0] == ":" and rest[1:].isdigit())):
        raise Unsure
    return name


def sha256(data: bytes) -> Any:
    """Computes what hashlib's does, whose import would bring OpenSSL. The interpreter has one of its own, by a name
    that changed."""
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return __import__(name).sha256(data)
        except ImportError:
            continue
    raise Unsure


def hmac_sha256(key: bytes, message: bytes) -> str:
    """Returns in hexadecimal what hmac.new(key, message, sha256) computes; the key is no longer than a block, 64
    bytes."""
    padded = key.ljust(64, b"\0")
    inner = sha256(bytes(one ^ 0x36 for one in padded) + message).digest()
    return str(sha256(bytes(one ^ 0x5C for one in padded) + inner).hexdigest())


def same(one: str, other: str) -> bool:
    """Returns whether two texts of one length are the same, in a time that does not tell where they differ."""
    return len(one) == len(other) and not sum(a != b for a, b in zip(one, other))  # noqa: B905 - of one length
