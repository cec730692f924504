"""Tells what a library file is by its headers, and whether this process could load it at all. Any thread; reads little.

Only what is certain is a fault: another format, another word size or processor, an end before its segments. Headers
that are odd in other ways are left to the check process, which loads the file and says.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from msgspec import field

from hoshikage.errors import Detail
from hoshikage.frozen import Frozen
from hoshikage.library import elf, macho, pe
from hoshikage.library.image import BinaryImage, Damaged, Source, Symbols, Truncated

_FORMATS: Final = {"ELF": "ELF (.so)", "PE": "PE (.dll)", "Mach-O": "Mach-O (.dylib)"}
_LFS: Final = b"version https://git-lfs"


class BinaryFault(Frozen, frozen=True):
    """A file cannot be loaded for this reason: a text of the catalogue and its details, but for `path`."""

    key: str
    details: dict[str, Detail] = field(default_factory=dict)


def expected(platform: str) -> str:
    """Returns the format's name on `sys.platform`; names of formats are the same in every language."""
    return _FORMATS[{"win32": "PE", "darwin": "Mach-O"}.get(platform, "ELF")]


def fault(file: Path, platform: str, own: BinaryImage | None = None) -> BinaryFault | None:
    """Returns what is wrong with a file; None for one that may be loaded on this system by a program such as `own`.
    Raises OSError.

    `own` is this interpreter where it is not given and `platform` is this system.
    """
    if not file.is_file():  # opening a pipe would wait for its other end
        return BinaryFault("library.not_a_library", {"expected": expected(platform), "found": "special file"})
    with file.open("rb") as stream:
        result = _format(stream.read(64))
    if result != expected(platform):
        return BinaryFault("library.not_a_library", {"expected": expected(platform), "found": result})
    try:
        image = read(file)
    except Truncated as end:
        return BinaryFault("lacks.truncated", {"size": end.size, "minimum": end.minimum})
    except Damaged:
        return None
    own = own or (interpreter() if platform == sys.platform else None)
    if own is not None and not _fits(image, own):
        return BinaryFault("lacks.wrong_machine", {"found": kind_of(image), "expected": kind_of(own)})
    return None


def read(file: Path) -> BinaryImage:
    """Reads what the headers say. Raises Damaged, OSError."""
    with Source(file.open("rb")) as source:
        magic = source.take(0, 4)
        if magic == elf.MAGIC:
            return elf.read(source)
        return pe.read(source) if magic[:2] == pe.MAGIC else macho.read(source)


def symbols(file: Path) -> Symbols:
    """Reads the names that an ELF or PE file offers and wants; none for others. Raises Damaged, OSError."""
    with Source(file.open("rb")) as source:
        magic = source.take(0, 4)
        if magic == elf.MAGIC:
            return elf.symbols(source)
        return pe.symbols(source) if magic[:2] == pe.MAGIC else Symbols(frozenset(), frozenset())


def interpreter() -> BinaryImage | None:
    """Reads the program that runs this: what it is, its libraries must be. None where its file tells nothing."""
    try:
        return read(Path(sys.executable))
    except (OSError, Damaged):
        return None


def kind_of(image: BinaryImage) -> str:
    """Names what the file is for: `64-bit x86-64`."""
    return f"{image.bits}-bit {' + '.join(image.machines)}"


def _fits(image: BinaryImage, own: BinaryImage) -> bool:
    """A processor without a name in the tables is no proof: the loader decides."""
    unknown = any(machine[:1].isdigit() for machine in (*image.machines, *own.machines))
    return image.bits == own.bits and (unknown or bool(set(image.machines) & set(own.machines)))


def _format(head: bytes) -> str:
    if not head:
        return "0 bytes"
    if head.startswith(elf.MAGIC):
        return _FORMATS["ELF"]
    if head.startswith(pe.MAGIC):
        return _FORMATS["PE"]
    if head.startswith((*macho.THIN, *macho.FAT)):
        return _FORMATS["Mach-O"]
    if head.startswith(_LFS):
        return "Git LFS pointer"
    if head.startswith(b"GGUF"):
        return "GGUF"
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "zip / gzip"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "text"
    return f"0x{head[:8].hex()}"
