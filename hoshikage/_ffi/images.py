"""Patches parameter structs that travel by value: the library's own default image, patched, never built from
nothing."""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hoshikage._ffi.layout import Field, Layout
from hoshikage._ffi.layouts import FIELDS
from hoshikage._ffi.recognition import DefaultImage
from hoshikage._ffi.types import IMAGE_BYTES, Image, c_void_p


def default_image(function: Callable[..., Any]) -> DefaultImage:
    """Returns what a llama_*_default_params function writes, and where.

    x86-64: a struct result is written through a hidden first argument, so the function is called with a buffer of
    ours, filled differently each time; equal bytes were written. AArch64 passes that address in x8, which only a
    declared struct result sets, so there the unwritten bytes stay unknown.
    """
    c_function: Any = function
    if platform.machine().lower() in ("arm64", "aarch64"):
        c_function.restype = Image
        return DefaultImage(bytes(c_function()), None)
    c_function.argtypes = [c_void_p]
    images = []
    for fill in (0xA5, 0x5A):
        buffer = ctypes.create_string_buffer(bytes([fill]) * IMAGE_BYTES, IMAGE_BYTES)
        c_function(buffer)
        images.append(buffer.raw)
    first, second = images
    return DefaultImage(first, frozenset(i for i in range(IMAGE_BYTES) if first[i] == second[i]))


@dataclass(frozen=True, slots=True)
class Patch:
    """This is a value for a place in a struct whose layout is not known."""

    offset: int
    code: str
    """`code` is the value's format for the `struct` module, as Field.code is."""
    value: float


def patched_at(default: DefaultImage, patches: Iterable[Patch]) -> Image:
    image = Image.from_buffer_copy(default.data)
    for patch in patches:
        struct.pack_into(patch.code, image.data, patch.offset, patch.value)
    return image


def patched(
    default: DefaultImage, layout: Layout, values: Mapping[str, float], fields: Mapping[str, Field] = FIELDS
) -> Image:
    """Returns the default image with `values` in place. Raises KeyError for a field that the layout does not have."""
    offsets = layout.offsets()
    return patched_at(default, [Patch(offsets[name], fields[name].code, value) for name, value in values.items()])
