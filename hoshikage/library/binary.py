"""Tells a shared library of this system by its first bytes. Any thread; reads 64 bytes of a file.

Architecture, symbols and dependencies are not looked at here: the check process loads the file and says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_ELF: Final = b"\x7fELF"
_MACH_O: Final = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_LFS: Final = b"version https://git-lfs"


def expected(platform: str) -> str:
    """The format's name on `sys.platform`; names of formats are the same in every language."""
    return {"win32": "PE (.dll)", "darwin": "Mach-O (.dylib)"}.get(platform, "ELF (.so)")


def fault(file: Path, platform: str) -> str | None:
    """None for a file in the system's library format, else a short name of what it is. Raises OSError."""
    if not file.is_file():  # opening a pipe would wait for its other end
        return "special file"
    with file.open("rb") as stream:
        head = stream.read(64)
    found = _format(head)
    return None if found == expected(platform) else found


def _format(head: bytes) -> str:
    if not head:
        return "0 bytes"
    if head.startswith(_ELF):
        return "ELF (.so)"
    if head.startswith(b"MZ"):
        return "PE (.dll)"
    if head.startswith(_MACH_O):
        return "Mach-O (.dylib)"
    if head.startswith(_LFS):
        return "Git LFS pointer"
    if head.startswith(b"GGUF"):
        return "GGUF"
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "zip / gzip"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "text"
    return f"0x{head[:8].hex()}"
