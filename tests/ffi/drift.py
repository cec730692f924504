"""Makes layouts that no release has: a field put in somewhere, everything behind it moved as a C compiler would."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from hoshikage._ffi.layout import Layout
from hoshikage._ffi.layouts import FIELDS
from hoshikage._ffi.recognition import DefaultImage
from hoshikage._ffi.types import IMAGE_BYTES

NEW = "new_field"
SIZES = (1, 4, 8)
DEFAULTS = (0, 1, -1)


@dataclass(frozen=True, slots=True)
class Drift:
    layout: Layout
    """`layout` is what the field was put into."""
    place: int
    """`place` is the index of the field that it stands in front of; the number of fields for the end."""
    size: int
    default: int
    offsets: dict[str, int]
    """`offsets` has the fields and NEW, where they stand now."""
    end: int
    """`end` is the struct's new size."""

    @property
    def new_bytes(self) -> bytes:
        return self.default.to_bytes(self.size, "little", signed=True)


def drifts(layout: Layout) -> Iterator[Drift]:
    places = range(len(layout.offsets()) + 1)
    for place, size, default in product(places, SIZES, DEFAULTS):
        offsets, end = laid_out(layout, place, size)
        yield Drift(layout, place, size, default, offsets, end)


def laid_out(layout: Layout, place: int | None = None, size: int = 0) -> tuple[dict[str, int], int]:
    """Returns the fields, each at the next multiple of its size, and the struct's size."""
    sizes = [(name, FIELDS[name].size) for name in layout.offsets()]
    if place is not None:
        sizes.insert(place, (NEW, size))
    offsets, at = {}, 0
    for name, each in sizes:
        at = -(-at // each) * each
        offsets[name] = at
        at += each
    return offsets, -(-at // 8) * 8


def image_of(drift: Drift, padding: str, which: int) -> DefaultImage:
    """Returns what its library writes: `padding` is left alone, zeroed, or unseen (AArch64); `which` of a field's
    defaults."""
    data = bytearray(b"\xa5" * IMAGE_BYTES)
    written: set[int] = set()
    if padding != "alone":
        data[: drift.end] = bytes(drift.end)
        written.update(range(drift.end))
    for name, offset in drift.offsets.items():
        raw = drift.new_bytes if name == NEW else default_bytes(name, which)
        data[offset : offset + len(raw)] = raw
        written.update(range(offset, offset + len(raw)))
    return DefaultImage(bytes(data), None if padding == "unseen" else frozenset(written))


def default_bytes(name: str, which: int) -> bytes:
    value = FIELDS[name].defaults[which]
    return struct.pack(FIELDS[name].code, value if FIELDS[name].format == "f" else int(value))


def of_release(layouts: tuple[Layout, ...], release: str) -> Layout:
    """The layout that was seen in this release."""
    (layout,) = (one for one in layouts if release in one.seen.split())
    return layout
