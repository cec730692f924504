"""Layouts are told apart by what a library writes, and anything else is refused with the nearest and the difference."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from hoshikage._ffi.layout import Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, FIELDS, MODEL_LAYOUTS
from hoshikage._ffi.recognition import DefaultImage, Unrecognised, differences, recognise
from hoshikage._ffi.types import IMAGE_BYTES

TABLES = [(layout, table) for table in (MODEL_LAYOUTS, CONTEXT_LAYOUTS) for layout in table]
NAMES = [layout.name for layout, _ in TABLES]


def image_of(layout: Layout, *, zeroed_padding: bool = False, **values: float) -> DefaultImage:
    """Returns what a library with this layout would write."""
    data = bytearray(b"\xa5" * IMAGE_BYTES)
    written: set[int] = set()
    if zeroed_padding:
        data[: layout.size] = bytes(layout.size)
        written.update(range(layout.size))
    for name, offset in layout.offsets().items():
        field = FIELDS[name]
        code = "=" + field.format.replace("P", "Q")
        value = values.get(name, field.defaults[-1])
        struct.pack_into(code, data, offset, value if field.format == "f" else int(value))
        written.update(range(offset, offset + struct.calcsize(code)))
    return DefaultImage(bytes(data), frozenset(written))


def swapped(layout: Layout, one: str, other: str) -> Layout:
    offsets = layout.offsets()
    offsets[one], offsets[other] = offsets[other], offsets[one]
    return replace(layout, rows=" ".join(f"{name}@{offset}" for name, offset in offsets.items()))


@pytest.mark.parametrize(("layout", "table"), TABLES, ids=NAMES)
def test_each_layout_is_recognised_among_all(layout: Layout, table: tuple[Layout, ...]) -> None:
    assert recognise(image_of(layout), table) is layout


@pytest.mark.parametrize(("layout", "table"), TABLES, ids=NAMES)
def test_fields_do_not_overlap_and_fit(layout: Layout, table: tuple[Layout, ...]) -> None:
    bytes_of_fields = [
        byte
        for name, offset in layout.offsets().items()
        for byte in range(offset, offset + struct.calcsize("=" + FIELDS[name].format.replace("P", "Q")))
    ]
    assert len(bytes_of_fields) == len(set(bytes_of_fields))
    assert max(bytes_of_fields) < layout.size
    assert layout.size % 8 == 0


@pytest.mark.parametrize(("layout", "table"), TABLES, ids=NAMES)
def test_zeroed_padding_leads_to_a_layout_that_agrees_about_all_its_fields(
    layout: Layout, table: tuple[Layout, ...]
) -> None:
    found = recognise(image_of(layout, zeroed_padding=True), table)
    assert found.offsets().items() <= layout.offsets().items()


def test_unknown_written_bytes_are_enough_where_the_platform_hides_them() -> None:
    image = image_of(MODEL_LAYOUTS[-1])
    assert recognise(DefaultImage(image.data, None), MODEL_LAYOUTS) is MODEL_LAYOUTS[-1]


@pytest.mark.parametrize(
    ("one", "other"), [("n_batch", "n_ubatch"), ("n_threads", "ctx_type"), ("yarn_orig_ctx", "defrag_thold")]
)
def test_an_altered_table_is_refused(one: str, other: str) -> None:
    newest = CONTEXT_LAYOUTS[-1]
    with pytest.raises(Unrecognised) as refused:
        recognise(image_of(newest), (*CONTEXT_LAYOUTS[:-1], swapped(newest, one, other)))
    assert refused.value.nearest == newest.name
    assert one in refused.value.difference


def test_a_layout_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(Unrecognised) as refused:
        recognise(image_of(CONTEXT_LAYOUTS[-1]), CONTEXT_LAYOUTS[:-1])
    assert refused.value.nearest in {layout.name for layout in CONTEXT_LAYOUTS[:-1]}


def test_a_written_byte_beyond_the_size_is_a_difference() -> None:
    layout = MODEL_LAYOUTS[-1]
    image = image_of(layout)
    assert image.written is not None
    longer = DefaultImage(image.data, image.written | {layout.size})
    assert differences(longer, layout) == [f"1 bytes written beyond its size {layout.size}, the first at {layout.size}"]


def test_half_written_padding_is_a_difference() -> None:
    layout = MODEL_LAYOUTS[3]
    image = image_of(layout)
    assert image.written is not None
    data = bytearray(image.data)
    data[layout.size - 1] = 0
    assert differences(DefaultImage(bytes(data), image.written | {layout.size - 1}), layout) == [
        f"padding written at {layout.size - 1}"
    ]


def test_an_unknown_default_is_named_with_what_was_expected() -> None:
    layout = CONTEXT_LAYOUTS[-1]
    assert differences(image_of(layout, n_batch=4096), layout) == ["n_batch@4 is 4096, expected 2048"]


def test_two_layouts_that_fit_and_disagree_are_refused() -> None:
    layout = MODEL_LAYOUTS[-1]
    twin = replace(swapped(layout, "progress_callback", "kv_overrides"), name="twin")
    with pytest.raises(Unrecognised, match="also fits"):
        recognise(image_of(layout), (layout, twin))
