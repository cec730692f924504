"""Puts a field of 1, 4 or 8 bytes in at every place of every layout: refused, harmless, or left to the handshake.

What the bytes cannot tell is moved fields, and among those that Hoshikage sets there must be one that the handshake
reads back. The counts are part of the tests, so that a change of the rules is seen in them.
"""

from __future__ import annotations

from collections import Counter

import pytest

from hoshikage._ffi.features import lacking
from hoshikage._ffi.layout import Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage._ffi.recognition import Unrecognised, matching, recognise
from tests.ffi.drift import Drift, drifts, image_of, laid_out

TABLES = [(layout, table) for table in (MODEL_LAYOUTS, CONTEXT_LAYOUTS) for layout in table]
READ_BACK = {
    "n_ctx",
    "n_batch",
    "n_ubatch",
    "n_seq_max",
    "n_threads",
    "n_threads_batch",
    "pooling_type",
    "rope_freq_base",
    "rope_freq_scale",
    "type_k",
    "type_v",
    "kv_unified",
    "flash_attn",
    "flash_attn_type",
    "embeddings",
    "abort_callback",
    "abort_callback_data",
    "progress_callback",
    "progress_callback_user_data",
    "load_mode",
    "use_direct_io",
    "use_mlock",
    "main_gpu",
}
"""The handshake reads these back. use_mmap is left out (it shows from b4753 on), so that nothing rests on it here;
main_gpu shows, and does something, where there is a GPU."""
SET = READ_BACK | {"n_gpu_layers", "split_mode", "tensor_split", "use_mmap", "offload_kqv", "swa_full"}
"""Hoshikage writes these, or may write them by its settings."""


def settable(layout: Layout) -> set[str]:
    fields = layout.offsets()
    lacks = lacking(lambda _name: True, fields)
    return {name for name in SET & fields.keys() if name not in lacks}


def moved(drift: Drift, taken_for: Layout) -> set[str]:
    return {name for name, at in taken_for.offsets().items() if drift.offsets.get(name) != at}


def outcome(drift: Drift, table: tuple[Layout, ...], padding: str, which: int) -> str:
    image = image_of(drift, padding, which)
    matches = matching(image, table)
    if not matches:  # as recognise, without its words
        return "refused"
    try:
        taken_for = recognise(image, matches)
    except Unrecognised:
        return "refused"
    wrong = moved(drift, taken_for)
    if not wrong & settable(taken_for):
        return "harmless"
    return "handshake" if wrong & READ_BACK else "WRONG"


@pytest.mark.parametrize(("layout", "table"), TABLES, ids=[layout.name for layout, _ in TABLES])
def test_the_table_is_laid_out_as_a_compiler_does(layout: Layout, table: tuple[Layout, ...]) -> None:
    assert laid_out(layout) == (layout.offsets(), layout.size)


@pytest.mark.long
@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("alone", {"refused": 9345, "harmless": 42, "handshake": 27}),
        ("zeroed", {"refused": 9091, "harmless": 202, "handshake": 121}),
        ("unseen", {"refused": 8048, "harmless": 1085, "handshake": 281}),
    ],
)
def test_no_drift_changes_the_meaning_of_a_field_unseen(padding: str, expected: dict[str, int]) -> None:
    counts = Counter(
        outcome(drift, table, padding, which)
        for layout, table in TABLES
        for which in (0, -1)
        for drift in drifts(layout)
    )
    assert counts == expected
