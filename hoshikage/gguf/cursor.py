"""Moves over one GGUF file's bytes, which are read as they are needed. Any thread; one owner."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from hoshikage.errors import Detail, GgufInvalid

MAX_HEADER_BYTES: Final = 128 * 1024 * 1024
FIRST_READ_BYTES: Final = 4 * 1024 * 1024
U32: Final = struct.Struct("<I")
U64: Final = struct.Struct("<Q")


class Cursor:
    """Bytes are read, not mapped: a file that shrinks meanwhile must not end the process with SIGBUS."""

    def __init__(self, path: Path, stream: BinaryIO, size: int) -> None:
        self.size = size
        self.at = 0
        self._path = path
        self._stream = stream
        self._data = b""

    def refuse(self, key: str, /, *, at: int | None = None, **details: Detail) -> NoReturn:
        """Raises GgufInvalid with the file and the place, by default where the cursor is."""
        error = GgufInvalid(key)
        error.details = {"file": str(self._path), "offset": self.at if at is None else at, **details}
        raise error

    def start(self, length: int) -> bytes:
        """Returns the file's first bytes, as many as there are up to `length`. The cursor stays."""
        return self._fill(min(length, self.size))[:length] if self.size else b""

    def take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self._data):
            self._fill(end)
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def u32(self) -> int:
        return int(U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        return int(U64.unpack(self.take(8))[0])

    def count(self, key: str, maximum: int) -> int:
        """Reads a 64-bit number of at most `maximum`; else refused with that key."""
        at = self.at
        count = self.u64()
        if count > maximum:
            self.refuse(key, at=at, count=count, maximum=maximum)
        return count

    def string(self, key: str, maximum: int) -> bytes:
        return self.take(self.count(key, maximum))

    def strings(self, count: int, *, keep: bool) -> list[bytes]:
        """Steps over `count` strings and gives them where `keep`.

        This loop runs once for every token of a vocabulary, so it calls nothing that it need not.
        """
        data, have, at = self._data, len(self._data), self.at
        length_at = U64.unpack_from
        kept: list[bytes] = []
        for _ in range(count):
            start = at + 8
            if start > have:
                self.at = at
                data = self._fill(start)
                have = len(data)
            end = start + length_at(data, at)[0]
            if end > have:
                self.at = at
                data = self._fill(end)
                have = len(data)
            if keep:
                kept.append(data[start:end])
            at = end
        self.at = at
        return kept

    def _fill(self, end: int) -> bytes:
        """Returns the file's bytes from its start to `end` or beyond. Each growth doubles, so that all of it stays
        linear."""
        if end > self.size:
            self.refuse("model.gguf_cut", size=self.size)
        if end > MAX_HEADER_BYTES:
            self.refuse("model.gguf_header_too_large", maximum=MAX_HEADER_BYTES)
        parts = [self._data]
        missing = min(self.size, max(end, 2 * len(self._data), FIRST_READ_BYTES)) - len(self._data)
        while missing > 0:
            part = self._stream.read(missing)
            if not part:
                self.refuse("model.gguf_cut", size=sum(map(len, parts)))
            parts.append(part)
            missing -= len(part)
        self._data = b"".join(parts)
        return self._data
