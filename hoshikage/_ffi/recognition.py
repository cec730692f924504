"""Tells which known layout a library's parameter struct has, or that it has none. Pure; any thread.

A layout matches when its fields are all written by the library's own llama_*_default_params, nothing beyond its size
is, its padding is either left alone or zeroed throughout (as compilers do), and every field holds a known default.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hoshikage._ffi.layout import Field, Layout
from hoshikage._ffi.layouts import FIELDS


@dataclass(frozen=True, slots=True)
class DefaultImage:
    """This is what a default-params function wrote into a large buffer."""

    data: bytes
    written: frozenset[int] | None
    """`written` has the offsets of the bytes that it wrote; None where that cannot be seen (AArch64)."""


class Unrecognised(ValueError):
    """No layout of the table, or more than one, fits. `nearest` fits best, `difference` says what does not."""

    def __init__(self, nearest: str, difference: str) -> None:
        super().__init__(f"{nearest}: {difference}")
        self.nearest = nearest
        self.difference = difference


def recognise(image: DefaultImage, layouts: Sequence[Layout], fields: Mapping[str, Field] = FIELDS) -> Layout:
    """Returns the one layout that the image has. Raises Unrecognised."""
    matches = matching(image, layouts, fields)
    if matches:
        smallest = min(matches, key=lambda layout: len(layout.offsets()))
        rivals = [layout.name for layout in matches if not _extends(layout, smallest)]
        if not rivals:
            # Zeroed padding hides whether a further field, zero by default, is there. All that match agree about
            # every field of the smallest, so using only those is right whichever it is.
            return smallest
        raise Unrecognised(smallest.name, f"also fits {', '.join(rivals)}")
    faults = {layout.name: differences(image, layout, fields) for layout in layouts}
    nearest = min(faults, key=lambda name: len(faults[name]))
    raise Unrecognised(nearest, "; ".join(faults[nearest][:4]))


def matching(image: DefaultImage, layouts: Sequence[Layout], fields: Mapping[str, Field] = FIELDS) -> list[Layout]:
    """Lists the layouts that the image does not contradict."""
    return [layout for layout in layouts if next(_differences(image, layout, fields), None) is None]


def confirm(image: DefaultImage, layout: Layout) -> None:
    """Raises Unrecognised where a field that was placed by behaviour is not written or holds no known default."""
    result = list(_field_differences(image, layout, FIELDS))
    if result:
        raise Unrecognised(layout.name, "; ".join(result[:4]))


def differences(image: DefaultImage, layout: Layout, fields: Mapping[str, Field] = FIELDS) -> list[str]:
    """Lists what of the image does not fit the layout, in words; empty where it fits."""
    return list(_differences(image, layout, fields))


def _differences(image: DefaultImage, layout: Layout, fields: Mapping[str, Field]) -> Iterator[str]:
    yield from _field_differences(image, layout, fields)
    if image.written is not None:
        spans = (range(offset, offset + fields[name].size) for name, offset in layout.offsets().items())
        yield from _stray_bytes(image.data, image.written, set().union(*spans), layout.size)


def _field_differences(image: DefaultImage, layout: Layout, fields: Mapping[str, Field]) -> Iterator[str]:
    for name, offset in layout.offsets().items():
        field = fields[name]
        span = range(offset, offset + field.size)
        if image.written is not None and not image.written.issuperset(span):
            yield f"{name}@{offset} is not written"
            continue
        (value,) = struct.unpack_from(field.code.replace("?", "B"), image.data, offset)
        if field.defaults and value not in field.defaults:
            allowed = " or ".join(f"{default:g}" for default in field.defaults)
            yield f"{name}@{offset} is {value:g}, expected {allowed}"


def _stray_bytes(data: bytes, written: frozenset[int], covered: set[int], size: int) -> list[str]:
    beyond = sorted(offset for offset in written if offset >= size)
    if beyond:
        return [f"{len(beyond)} bytes written beyond its size {size}, the first at {beyond[0]}"]
    padding = set(range(size)) - covered
    touched = sorted(padding & written)
    if touched and (len(touched) < len(padding) or any(data[offset] for offset in touched)):
        return [f"padding written at {', '.join(map(str, touched[:8]))}"]
    return []


def _extends(layout: Layout, smaller: Layout) -> bool:
    return smaller.offsets().items() <= layout.offsets().items()
