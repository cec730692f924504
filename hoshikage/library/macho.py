"""Reads the load commands of a Mach-O file (.dylib): what it needs and where it looks. Any thread; pure, bounded."""

from __future__ import annotations

import struct
from typing import Final

from hoshikage.library.image import BinaryImage, Damaged, Source, Truncated, name_in

THIN: Final = {b"\xcf\xfa\xed\xfe": ("<", 64), b"\xce\xfa\xed\xfe": ("<", 32),
               b"\xfe\xed\xfa\xcf": (">", 64), b"\xfe\xed\xfa\xce": (">", 32)}  # fmt: skip
FAT: Final = {b"\xca\xfe\xba\xbe": 32, b"\xca\xfe\xba\xbf": 64}
MACHINES: Final = {7: "x86", 12: "arm", 0x01000007: "x86-64", 0x0100000C: "arm64"}
_LOAD, _REEXPORT, _UPWARD = 0xC, 0x8000001F, 0x80000023  # a weak one may be missing
_ID, _RPATH, _SEGMENT_32, _SEGMENT_64 = 0xD, 0x8000001C, 0x1, 0x19
_MOST_SLICES: Final = 16
_MOST_COMMANDS: Final = 8192


def read(source: Source) -> BinaryImage:
    """Reads the needs of a universal file's first slice, and all machines. Raises Damaged, Truncated, OSError."""
    magic = source.take(0, 4)
    if magic in THIN:
        return _slice(source, 0)
    if magic not in FAT:
        raise Damaged("not a Mach-O header")
    (count,) = source.unpack(">I", 4)
    if not 0 < count <= _MOST_SLICES:
        raise Damaged(f"{count} slices")
    layout = ">IIIII" if FAT[magic] == 32 else ">IIQQII"
    rows = [source.unpack(layout, 8 + number * struct.calcsize(layout)) for number in range(count)]
    slices = [_slice(source, row[2]) for row in rows]
    first = slices[0]
    machines = tuple(machine for image in slices for machine in image.machines)
    return BinaryImage("Mach-O", first.bits, machines, first.name, first.needed, first.search)


def _slice(source: Source, start: int) -> BinaryImage:
    magic = source.take(start, 4)
    if magic not in THIN:
        raise Damaged("not a Mach-O slice")
    order, bits = THIN[magic]
    machine, _sub, _kind, count, size = source.unpack(order + "IIIII", start + 4)
    if count > _MOST_COMMANDS:
        raise Damaged(f"{count} load commands")
    place = start + (32 if bits == 64 else 28)
    end = place + size
    name: str | None = None
    needed: list[str] = []
    search: list[str] = []
    for _ in range(count):
        command, length = source.unpack(order + "II", place)
        if length < 8 or place + length > end:
            raise Damaged(f"a load command of {length} bytes")
        body = source.take(place, length)
        if command in (_LOAD, _REEXPORT, _UPWARD):
            needed.append(_text(body, order))
        elif command == _RPATH:
            search.append(_text(body, order))
        elif command == _ID:
            name = _text(body, order)
        elif command in (_SEGMENT_32, _SEGMENT_64):
            _whole(source, start, body, order)
        place += length
    machine_name = MACHINES.get(machine, f"{machine:#x}")
    return BinaryImage("Mach-O", bits, (machine_name,), name, tuple(needed), tuple(search))


def _text(body: bytes, order: str) -> str:
    if len(body) < 12:
        raise Damaged("a load command without its name")
    return name_in(body + b"\0", struct.unpack_from(order + "I", body, 8)[0])


def _whole(source: Source, start: int, body: bytes, order: str) -> None:
    """Raises Truncated where the file ends before the segment does."""
    command = struct.unpack_from(order + "I", body)[0]
    layout, at = (order + "QQ", 40) if command == _SEGMENT_64 else (order + "II", 32)
    if len(body) < at + struct.calcsize(layout):
        raise Damaged("a short segment")
    offset, size = struct.unpack_from(layout, body, at)
    if start + offset + size > source.size:
        raise Truncated(start + offset + size, source.size)
