"""Stores one sequence of a KV memory as a file: whose it is, its tokens, the library's bytes. Any thread; blocking.

A file is MAGIC, the length of its header, the header as MessagePack, the header's SHA-256, and the state as the library
gave it, whose SHA-256 stands in the header. Whatever is cut off, changed or of another kind is `DamagedState`: the
library's own parser sees nothing but bytes that came whole from the very library that reads them.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

MAGIC: Final = b"HSKVSEQ1"
LENGTH_BYTES: Final = 4
DIGEST_BYTES: Final = 32
MAX_HEADER_BYTES: Final = 64 * 2**20
TOKEN_BYTES: Final = 4
IDENTITY_BYTES: Final = 2**20
"""This many bytes of a model's file are looked at to know it again."""
MODE: Final = 0o600
"""Only the owner may read what somebody has said."""


class DamagedState(ValueError):
    """The file is none of these, or not as it was written."""


class Header(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file says this before the state."""

    key: str
    """`key` is the same for all loads whose states can stand for one another (library, model, settings)."""
    scope: str
    """The scope names whose prompts the state was computed for; nobody else is given it."""
    tokens: bytes
    """`tokens` are those whose state it is, each as 4 bytes, little-endian."""
    n_bytes: int
    """`n_bytes` is the length of the state."""
    digest: bytes
    """`digest` is the SHA-256 of the state."""
    label: str = ""
    """`label` is the name that people know the model by."""

    @property
    def n_tokens(self) -> int:
        return len(self.tokens) // TOKEN_BYTES

    def begins(self, other: Header) -> bool:
        """Returns whether the other one holds all of this one, and perhaps more."""
        return (self.key, self.scope) == (other.key, other.scope) and other.tokens.startswith(self.tokens)


def packed(tokens: Sequence[int]) -> bytes:
    """Packs tokens as they stand in a header."""
    return struct.pack(f"<{len(tokens)}i", *tokens)


def unpacked(tokens: bytes) -> list[int]:
    """Unpacks the tokens of a header."""
    return [*struct.unpack(f"<{len(tokens) // TOKEN_BYTES}i", tokens)]


def size_of(n_tokens: int, n_bytes: int) -> int:
    """About as many bytes as a file of so much takes; never fewer."""
    return n_tokens * TOKEN_BYTES + n_bytes + 4096


def write(
    path: str, key: str, scope: str, tokens: Sequence[int], state: bytes | bytearray | memoryview, label: str = ""
) -> int:
    """Fills the file, which is there and empty; gives its bytes. Whoever owns the file makes it last. OSError."""
    header = msgspec.msgpack.encode(
        Header(key, scope, packed(tokens), len(state), hashlib.sha256(state).digest(), label)
    )
    with FileIO(path, "r+b") as file:
        head = MAGIC + len(header).to_bytes(LENGTH_BYTES, "little") + header + hashlib.sha256(header).digest()
        for part in (head, state):
            left = memoryview(part)
            while left:
                left = left[file.write(left) :]
        return len(head) + len(state)


def read_header(path: str | Path) -> Header:
    """Reads what the file says of itself. Raises DamagedState, OSError."""
    with _opened(path) as file:
        return _header(file)


def read_state(path: str | Path, expected: Header) -> bytearray:
    """Reads the state of a file that said this of itself, every byte checked. Raises DamagedState, OSError."""
    with _opened(path) as file:
        if _header(file) != expected:
            raise DamagedState("another header")
        state = bytearray(expected.n_bytes)
        view = memoryview(state)
        while view:
            count = file.readinto(view)
            if not count:
                raise DamagedState("too short")
            view = view[count:]
        view.release()
    if hashlib.sha256(state).digest() != expected.digest:
        raise DamagedState("other bytes")
    return state


def _opened(path: str | Path) -> FileIO:
    """Opens the regular file of that name, for reading."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    return FileIO(os.open(path, flags), "rb")


def _header(file: FileIO) -> Header:
    status = os.fstat(file.fileno())
    begin = len(MAGIC) + LENGTH_BYTES
    head = _exactly(file, begin) if stat.S_ISREG(status.st_mode) else b""
    length = int.from_bytes(head[len(MAGIC) :], "little")
    if head[: len(MAGIC)] != MAGIC or length > min(MAX_HEADER_BYTES, status.st_size):
        raise DamagedState("no such file")
    body, digest = _exactly(file, length), _exactly(file, DIGEST_BYTES)
    if hashlib.sha256(body).digest() != digest:
        raise DamagedState("another header")
    try:
        header = msgspec.msgpack.decode(body, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedState(str(error)) from None
    whole = begin + length + DIGEST_BYTES + header.n_bytes
    if header.n_bytes < 0 or whole != status.st_size or len(header.tokens) % TOKEN_BYTES or not header.tokens:
        raise DamagedState("another length")
    return header


def _exactly(file: FileIO, count: int) -> bytes:
    result = b""
    while len(result) < count:
        piece = file.read(count - len(result))
        if not piece:
            raise DamagedState("too short")
        result += piece
    return result


def identity(file: Path) -> str:
    """Tells a file's content from others' without reading all of it: by size, time, and how it begins. OSError."""
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        beginning = hashlib.sha256(stream.read(IDENTITY_BYTES)).hexdigest()
    return f"{status.st_size}-{status.st_mtime_ns}-{beginning}"
