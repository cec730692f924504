"""Reads what the headers of a library file say, whatever its format. Any thread."""

from __future__ import annotations

import struct
from types import TracebackType
from typing import BinaryIO, Final

from msgspec import field

from hoshikage.frozen import Frozen

LARGEST_READ: Final = 64 << 20
"""No table of a sound library is larger; a damaged header may claim any size."""
LONGEST_NAME: Final = 4096


class Damaged(ValueError):
    """The file's headers contradict themselves or its size."""


class Truncated(Damaged):
    """The file ends before what its headers announce."""

    def __init__(self, minimum: int, size: int) -> None:
        super().__init__(f"{size} of at least {minimum} bytes")
        self.minimum = minimum
        self.size = size


class BinaryImage(Frozen, frozen=True):
    """A library file as its dynamic linker sees it."""

    format: str
    """`format` is `ELF`, `PE` or `Mach-O`."""
    bits: int
    machines: tuple[str, ...]
    """`machines` are `x86-64`, `arm64`, `x86`, `arm`, …, or a number; several for a universal Mach-O."""
    name: str | None = None
    """`name` is the SONAME, or the name that a .dylib says that it has."""
    needed: tuple[str, ...] = ()
    """It cannot be loaded without the libraries in `needed`."""
    search: tuple[str, ...] = ()
    """It looks for them in the folders of `search` first: RUNPATH, else RPATH; `$ORIGIN` and `@loader_path` as they
    stand."""
    versions_needed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Maps a library to the symbol versions that it must have, such as `GLIBC_2.34`."""
    versions_defined: tuple[str, ...] = ()


class Symbols(Frozen, frozen=True):
    """These names are in the dynamic symbol table."""

    defined: frozenset[str]
    undefined: frozenset[str]
    """Weak ones, which need not be found, are left out."""


class Source:
    """This reads a file, and cannot leave it. Every fault is Damaged or an OSError. A context manager."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def take(self, offset: int, length: int) -> bytes:
        """Reads exactly these bytes. Raises Damaged, Truncated."""
        if offset < 0 or not 0 <= length <= LARGEST_READ:
            raise Damaged(f"{length} bytes at {offset}")
        if offset + length > self.size:
            raise Truncated(offset + length, self.size)
        self._stream.seek(offset)
        result = self._stream.read(length)
        if len(result) != length:
            raise Truncated(offset + length, offset + len(result))
        return result

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        return struct.unpack(layout, self.take(offset, struct.calcsize(layout)))

    def text(self, offset: int) -> str:
        """Reads the zero-terminated name that begins there."""
        result = self.take(offset, min(LONGEST_NAME, max(0, self.size - offset)))
        return name_in(result, 0)


def name_in(table: bytes, offset: int) -> str:
    """Reads the zero-terminated name at `offset` of a string table."""
    end = table.find(b"\0", offset) if 0 <= offset < len(table) else -1
    if end < 0:
        raise Damaged(f"a name at {offset} of {len(table)} bytes")
    return table[offset:end].decode("utf-8", "replace")
