"""Reads an ELF file's dynamic section: what it needs, where it looks, its symbols and versions. Any thread; pure.

Every number in the file is distrusted: reads stay in the file, tables have a largest size, chains an end.
"""

from __future__ import annotations

import struct
from typing import Final

from hoshikage.frozen import Frozen
from hoshikage.library.image import BinaryImage, Damaged, Source, Symbols, Truncated, name_in

MAGIC: Final = b"\x7fELF"
MACHINES: Final = {3: "x86", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390", 40: "arm", 62: "x86-64", 183: "arm64",
                   243: "riscv", 258: "loongarch"}  # fmt: skip
_PT_LOAD, _PT_DYNAMIC = 1, 2
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_GNU_HASH, _VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFEF5, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_MOST_HEADERS: Final = 4096
_MOST_ENTRIES: Final = 1 << 16
_MOST_SYMBOLS: Final = 1 << 20
_WEAK: Final = 2


class _Segment(Frozen, frozen=True):
    kind: int
    offset: int
    address: int
    size: int


class _ElfFile:
    """The questions share these parts of a file."""

    def __init__(self, source: Source) -> None:
        identity = source.take(0, 16)
        if identity[:4] != MAGIC or identity[4] not in (1, 2) or identity[5] not in (1, 2):
            raise Damaged("not an ELF header")
        self.source = source
        self.bits = 32 * identity[4]
        self.order = "<" if identity[5] == 1 else ">"
        wide = self.bits == 64
        header = source.unpack(self.order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), 16)
        self.machine = MACHINES.get(header[1], str(header[1]))
        table, entry_size, count = header[4], header[8], header[9]
        layout = self.order + ("IIQQQQQQ" if wide else "IIIIIIII")
        if count > _MOST_HEADERS or (count and entry_size < struct.calcsize(layout)):
            raise Damaged(f"{count} program headers of {entry_size} bytes")
        self.segments = []
        for number in range(count):
            row = source.unpack(layout, table + number * entry_size)
            kind, offset, address, size = (row[0], row[2], row[3], row[5]) if wide else (row[0], row[1], row[2], row[4])
            self.segments.append(_Segment(kind, offset, address, size))

    def least_size(self) -> int:
        """The file must have so many bytes for its segments."""
        return max((s.offset + s.size for s in self.segments if s.kind == _PT_LOAD), default=0)

    def offset(self, address: int) -> int:
        for segment in self.segments:
            if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise Damaged(f"no segment holds address {address:#x}")

    def dynamic(self) -> dict[int, list[int]]:
        result: dict[int, list[int]] = {}
        layout = self.order + ("QQ" if self.bits == 64 else "II")
        step = struct.calcsize(layout)
        for segment in (s for s in self.segments if s.kind == _PT_DYNAMIC):
            table = self.source.take(segment.offset, min(segment.size, _MOST_ENTRIES * step) // step * step)
            for tag, value in struct.iter_unpack(layout, table):
                if tag == 0:
                    break
                result.setdefault(tag, []).append(value)
        return result

    def strings(self, dynamic: dict[int, list[int]]) -> bytes:
        if _STRTAB not in dynamic or _STRSZ not in dynamic:
            return b""
        return self.source.take(self.offset(dynamic[_STRTAB][0]), dynamic[_STRSZ][0])


def read(source: Source) -> BinaryImage:
    """Raises Damaged, and Truncated where the file is shorter than its segments; OSError."""
    file = _ElfFile(source)
    if file.least_size() > source.size:
        raise Truncated(file.least_size(), source.size)
    dynamic = file.dynamic()
    strings = file.strings(dynamic)

    def names(tag: int) -> tuple[str, ...]:
        return tuple(name_in(strings, value) for value in dynamic.get(tag, ()))

    search = names(_RUNPATH) or names(_RPATH)
    return BinaryImage(
        format="ELF",
        bits=file.bits,
        machines=(file.machine,),
        name=next(iter(names(_SONAME)), None),
        needed=names(_NEEDED),
        search=tuple(folder for entry in search for folder in entry.split(":") if folder),
        versions_needed=_versions_needed(file, dynamic, strings),
        versions_defined=_versions_defined(file, dynamic, strings),
    )


def symbols(source: Source) -> Symbols:
    """Reads the dynamic symbol table. Raises Damaged, OSError."""
    file = _ElfFile(source)
    dynamic = file.dynamic()
    if _SYMTAB not in dynamic:
        return Symbols(frozenset(), frozenset())
    strings, count = file.strings(dynamic), _symbol_count(file, dynamic)
    wide = file.bits == 64
    layout = file.order + ("IBBHQQ" if wide else "IIIBBH")
    table = source.take(file.offset(dynamic[_SYMTAB][0]), count * struct.calcsize(layout))
    defined: set[str] = set()
    undefined: set[str] = set()
    for row in struct.iter_unpack(layout, table):
        name, info, section = (row[0], row[1], row[3]) if wide else (row[0], row[3], row[5])
        if not name:
            continue
        if section:
            defined.add(name_in(strings, name))
        elif info >> 4 != _WEAK:
            undefined.add(name_in(strings, name))
    return Symbols(frozenset(defined), frozenset(undefined))


def _symbol_count(file: _ElfFile, dynamic: dict[int, list[int]]) -> int:
    if _HASH in dynamic:
        count = file.source.unpack(file.order + "II", file.offset(dynamic[_HASH][0]))[1]
    elif _GNU_HASH in dynamic:
        count = _gnu_hash_count(file, file.offset(dynamic[_GNU_HASH][0]))
    else:
        raise Damaged("no hash table")
    if count > _MOST_SYMBOLS:
        raise Damaged(f"{count} symbols")
    return count


def _gnu_hash_count(file: _ElfFile, offset: int) -> int:
    """The table names no count: the chain that begins last ends with the last symbol."""
    buckets, first, bloom, _shift = file.source.unpack(file.order + "IIII", offset)
    if buckets > _MOST_SYMBOLS or bloom > _MOST_SYMBOLS:
        raise Damaged(f"{buckets} hash buckets")
    start = offset + 16 + bloom * (file.bits // 8)
    last = max(file.source.unpack(f"{file.order}{buckets}I", start), default=0)
    if last < first:
        return first
    chains = start + 4 * buckets
    for index in range(last, min(last + _MOST_SYMBOLS, first + _MOST_SYMBOLS)):
        if file.source.unpack(file.order + "I", chains + 4 * (index - first))[0] & 1:
            return index + 1
    raise Damaged("a hash chain without an end")


def _versions_needed(file: _ElfFile, dynamic: dict[int, list[int]], strings: bytes) -> dict[str, tuple[str, ...]]:
    result: dict[str, tuple[str, ...]] = {}
    if _VERNEED not in dynamic:
        return result
    place = file.offset(dynamic[_VERNEED][0])
    for _ in range(min(dynamic.get(_VERNEEDNUM, [0])[0], _MOST_HEADERS)):
        _version, count, library, inner, following = file.source.unpack(file.order + "HHIII", place)
        names, entry = [], place + inner
        for _ in range(min(count, _MOST_HEADERS)):
            _hash, _flags, _other, name, further = file.source.unpack(file.order + "IHHII", entry)
            names.append(name_in(strings, name))
            entry += further
        result[name_in(strings, library)] = tuple(names)
        if not following:
            break
        place += following
    return result


def _versions_defined(file: _ElfFile, dynamic: dict[int, list[int]], strings: bytes) -> tuple[str, ...]:
    if _VERDEF not in dynamic:
        return ()
    result, place = [], file.offset(dynamic[_VERDEF][0])
    for _ in range(min(dynamic.get(_VERDEFNUM, [0])[0], _MOST_HEADERS)):
        _version, _flags, _index, _count, _hash, inner, following = file.source.unpack(file.order + "HHHHIII", place)
        result.append(name_in(strings, file.source.unpack(file.order + "I", place + inner)[0]))
        if not following:
            break
        place += following
    return tuple(result)
