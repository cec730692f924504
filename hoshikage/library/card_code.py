"""Tells for which NVIDIA cards a CUDA backend has code: read from the fat binaries in its file. Any thread; blocking,
loads nothing.

A fat binary holds machine code for some cards (sm_86) and a portable form (PTX) that a driver compiles for newer ones;
the driver must know that form's version. Every number in the file is distrusted.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"\x50\xed\x55\xba"
_HEADER: Final = struct.Struct("<IHHQ")
_ENTRY: Final = struct.Struct("<HHIQIIHHI")
"""An entry has kind, version, bytes of this header, bytes of the payload, compressed bytes, unknown, minor and major
version of what the payload is, architecture."""
_FLAGS_AT: Final = 40
_PTX: Final = 1
_MACHINE: Final = 2
_OWN: Final = 0x1100000
"""These flags mark code for one architecture alone, such as sm_120a."""
_MOST: Final = 1 << 16
_PTX_OF: Final = {
    (11, 8): (7, 8), (12, 0): (8, 0), (12, 1): (8, 1), (12, 2): (8, 2), (12, 3): (8, 3), (12, 4): (8, 4),
    (12, 5): (8, 5), (12, 6): (8, 5), (12, 7): (8, 6), (12, 8): (8, 7), (12, 9): (8, 8),
}  # fmt: skip
"""Maps the CUDA version of a driver to the newest PTX that it takes; from 13.0 on it is 9 and CUDA's own minor
number."""


@dataclass(frozen=True, slots=True)
class Card:
    """A Card is a graphics card, and the architecture that it runs code of."""

    name: str
    architecture: int
    """`architecture` is 90 for compute capability 9.0."""


@dataclass(frozen=True, slots=True)
class CardCode:
    """A CardCode says for which architectures a library has code."""

    machine: tuple[tuple[int, bool], ...] = ()
    """`machine` lists the architectures with machine code, and whether it is for this one alone."""
    ptx: tuple[tuple[int, tuple[int, int]], ...] = ()
    """`ptx` lists the architectures of the portable form, with its version."""

    def runs_on(self, card: Card, cuda: tuple[int, int] | None) -> bool:
        """Returns whether there is code for the card. `cuda` is what its driver is made for; None where that is not
        known."""
        for architecture, alone in self.machine:
            same = architecture // 10 == card.architecture // 10 and architecture <= card.architecture
            if architecture == card.architecture or (same and not alone):
                return True
        newest = None if cuda is None else newest_ptx(cuda)
        return any(
            architecture <= card.architecture and (newest is None or version <= newest)
            for architecture, version in self.ptx
        )

    @property
    def words(self) -> str:
        """Writes the architectures as `sm_86, sm_120a; PTX 9.1 (75, 80)`, which is the same in every language."""
        machine = ", ".join(f"sm_{architecture}{'a' if alone else ''}" for architecture, alone in self.machine)
        versions = sorted({version for _, version in self.ptx})
        ptx = [
            f"PTX {major}.{minor} ({', '.join(str(a) for a, version in self.ptx if version == (major, minor))})"
            for major, minor in versions
        ]
        return "; ".join(filter(None, (machine, *ptx))) or "-"


def newest_ptx(cuda: tuple[int, int]) -> tuple[int, int]:
    """Returns the newest PTX that a driver made for this CUDA takes."""
    if cuda >= (13, 0):
        return (cuda[0] - 4, cuda[1])
    return max((ptx for version, ptx in _PTX_OF.items() if version <= cuda), default=(7, 7))


def read(file: Path) -> CardCode | None:
    """Reads what the file has code for; None where there is no fat binary in it. Raises OSError."""
    with file.open("rb") as opened:
        try:
            content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return None
        with content:
            result = set(_entries(content))
    if not result:
        return None
    return CardCode(
        tuple(sorted({(architecture, alone) for kind, architecture, alone, _ in result if kind == _MACHINE})),
        tuple(sorted({(architecture, version) for kind, architecture, _, version in result if kind == _PTX})),
    )


def _entries(content: mmap.mmap) -> Iterator[tuple[int, int, bool, tuple[int, int]]]:
    """Yields kind, architecture, whether it is for that alone, and version of each entry."""
    at, size, count = content.find(MAGIC), len(content), 0
    while at >= 0 and at + _HEADER.size <= size:
        _, version, header, length = _HEADER.unpack_from(content, at)
        end = at + header + length
        if (version, header) != (1, _HEADER.size) or end > size:
            at = content.find(MAGIC, at + 4)
            continue
        entry = at + header
        while entry + _FLAGS_AT + 8 <= end and count < _MOST:
            count += 1
            kind, _, its_header, payload, _, _, minor, major, architecture = _ENTRY.unpack_from(content, entry)
            (flags,) = struct.unpack_from("<Q", content, entry + _FLAGS_AT)
            if its_header < _FLAGS_AT + 8:
                break
            if kind in (_PTX, _MACHINE):
                yield kind, architecture, flags & _OWN == _OWN, (major, minor)
            entry += its_header + payload
        at = content.find(MAGIC, end)
