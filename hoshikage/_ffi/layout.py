"""Defines what a field and a layout of a parameter struct are. Values; any thread."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

LARGEST: Final = 1024
"""A parameter struct is read into a buffer of so many bytes; the largest known has 160."""


@dataclass(frozen=True, slots=True)
class Field:
    format: str
    """`format` is spelled as in `struct`, without byte order: i and I for 32-bit integers, f, ? for bool, P for a
    pointer."""
    defaults: tuple[float, ...]
    """`defaults` is what llama_*_default_params has written into it; empty where that may be anything."""
    note: str = ""

    @property
    def code(self) -> str:
        """Gives `format` for the `struct` module, a pointer as the 64-bit number that it is."""
        return "=" + self.format.replace("P", "Q")

    @property
    def size(self) -> int:
        """Gives its bytes, which are its alignment too."""
        return struct.calcsize(self.code)


CALIBRATED: Final = "calibrated"
"""A layout that is in no table has this word as `seen`."""


@dataclass(frozen=True, slots=True)
class Layout:
    name: str
    size: int
    seen: str
    """`seen` names the releases that it was seen in, in their headers or their libraries; the real span is a little
    wider."""
    rows: str
    """`rows` are `field@offset`, separated by spaces, in the struct's order; of a calibrated one those that were
    found."""

    def offsets(self) -> dict[str, int]:
        pairs = (row.split("@") for row in self.rows.split())
        return {name: int(offset) for name, offset in pairs}


def rows_of(offsets: dict[str, int]) -> str:
    return " ".join(f"{name}@{offset}" for name, offset in offsets.items())


@dataclass(frozen=True, slots=True)
class Calibrated:
    """These layouts were found out by behaviour for one library file; None where the struct is of a known layout."""

    model: Layout | None
    context: Layout | None


def calibrated_from(value: Any) -> Calibrated:
    """Reads the layouts of a calibration file's JSON. Raises ValueError for anything that cannot be one."""
    return Calibrated(*(_layout_from(value[name]) for name in ("model", "context")))


def _layout_from(value: Any) -> Layout | None:
    if value is None:
        return None
    layout = Layout(str(value["name"]), int(value["size"]), CALIBRATED, str(value["rows"]))
    if not 0 < layout.size <= LARGEST or not all(0 <= at < layout.size for at in layout.offsets().values()):
        raise ValueError(layout.rows)
    return layout
