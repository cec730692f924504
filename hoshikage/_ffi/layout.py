"""What a field and a layout of a parameter struct are. Values; any thread."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    format: str
    """As `struct` spells it, without byte order: i and I for 32-bit integers, f, ? for bool, P for a pointer."""
    defaults: tuple[float, ...]
    """What llama_*_default_params has written into it."""
    note: str = ""

    @property
    def code(self) -> str:
        """`format` for the `struct` module, a pointer as the 64-bit number that it is."""
        return "=" + self.format.replace("P", "Q")

    @property
    def size(self) -> int:
        """Bytes, and alignment too."""
        return struct.calcsize(self.code)


@dataclass(frozen=True, slots=True)
class Layout:
    name: str
    size: int
    seen: str
    """The releases that it was seen in, in their headers or their libraries; the real span is a little wider."""
    rows: str
    """`field@offset`, separated by spaces, in the struct's order."""

    def offsets(self) -> dict[str, int]:
        pairs = (row.split("@") for row in self.rows.split())
        return {name: int(offset) for name, offset in pairs}


def rows_of(offsets: dict[str, int]) -> str:
    return " ".join(f"{name}@{offset}" for name, offset in offsets.items())
