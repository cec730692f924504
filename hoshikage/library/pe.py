"""Reads the import and export tables of a PE file (.dll): what it needs and offers. Any thread; pure, bounded."""

from __future__ import annotations

import struct
from typing import Final

from hoshikage.frozen import Frozen
from hoshikage.library.image import BinaryImage, Damaged, Source, Symbols, Truncated

MAGIC: Final = b"MZ"
MACHINES: Final = {0x14C: "x86", 0x1C4: "arm", 0x8664: "x86-64", 0xAA64: "arm64"}
_MOST_SECTIONS: Final = 256
_MOST_IMPORTS: Final = 4096
_MOST_NAMES: Final = 1 << 18


class _Section(Frozen, frozen=True):
    address: int
    memory: int
    offset: int
    size: int


class _PeFile:
    def __init__(self, source: Source) -> None:
        if source.take(0, 2) != MAGIC:
            raise Damaged("not an MZ header")
        self.source = source
        (place,) = source.unpack("<I", 0x3C)
        if source.take(place, 4) != b"PE\0\0":
            raise Damaged("not a PE header")
        machine, sections, *_rest, optional_size, _flags = source.unpack("<HHIIIHH", place + 4)
        self.machine = MACHINES.get(machine, f"{machine:#x}")
        optional = place + 24
        (magic,) = source.unpack("<H", optional)
        if magic not in (0x10B, 0x20B):
            raise Damaged(f"optional header {magic:#x}")
        self.bits = 64 if magic == 0x20B else 32
        self._tables = optional + (112 if self.bits == 64 else 96)
        (self._table_count,) = source.unpack("<I", self._tables - 4)
        if sections > _MOST_SECTIONS:
            raise Damaged(f"{sections} sections")
        self.sections = []
        for number in range(sections):
            row = source.unpack("<8xIIII16x", optional + optional_size + 40 * number)
            self.sections.append(_Section(address=row[1], memory=row[0], offset=row[3], size=row[2]))

    def least_size(self) -> int:
        return max((section.offset + section.size for section in self.sections if section.size), default=0)

    def table(self, number: int) -> int:
        """Returns the address of a data directory; 0 where there is none."""
        return self.source.unpack("<II", self._tables + 8 * number)[0] if number < self._table_count else 0

    def offset(self, address: int) -> int:
        for section in self.sections:
            if section.address <= address < section.address + max(section.memory, section.size):
                return address - section.address + section.offset
        raise Damaged(f"no section holds address {address:#x}")


def read(source: Source) -> BinaryImage:
    """Raises Damaged, Truncated, OSError. Imports that are resolved when first called count as needed too."""
    file = _PeFile(source)
    if file.least_size() > source.size:
        raise Truncated(file.least_size(), source.size)
    needed = [*_imports(file, 1, 20, 12), *_imports(file, 13, 32, 4)]
    return BinaryImage(format="PE", bits=file.bits, machines=(file.machine,), needed=tuple(dict.fromkeys(needed)))


def symbols(source: Source) -> Symbols:
    """Returns the exported names; what is needed stands by library and is not gathered. Raises Damaged, OSError."""
    file = _PeFile(source)
    table = file.table(0)
    if not table:
        return Symbols(frozenset(), frozenset())
    (count, _functions, names) = source.unpack("<24xIII", file.offset(table))
    if count > _MOST_NAMES:
        raise Damaged(f"{count} exports")
    places = struct.unpack(f"<{count}I", source.take(file.offset(names), 4 * count)) if count else ()
    return Symbols(frozenset(source.text(file.offset(place)) for place in places), frozenset())


def _imports(file: _PeFile, table: int, step: int, name_at: int) -> list[str]:
    """Reads the names of one import table: rows of `step` bytes, the name's address at `name_at`, a zero row at the
    end."""
    result: list[str] = []
    address = file.table(table)
    if not address:
        return result
    place = file.offset(address)
    for number in range(_MOST_IMPORTS):
        row = file.source.take(place + number * step, step)
        (name,) = struct.unpack_from("<I", row, name_at)
        if not name:
            return result
        result.append(file.source.text(file.offset(name)))
    raise Damaged("an import table without an end")
