"""Tests judging where fields were found: one place, no overlap, a known order; and the name that tells the shifts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hoshikage._ffi.layout import CALIBRATED, LARGEST, Layout, calibrated_from
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage._ffi.recognition import DefaultImage
from hoshikage.lab.calibration import Struct
from hoshikage.lab.placement import Uncalibrated, layout_of, window
from hoshikage.runner.calibrate import FileJournal
from tests.ffi.drift import drifts, image_of

NEWEST = CONTEXT_LAYOUTS[-1]
FOUND = {
    name: at
    for name, at in NEWEST.offsets().items()
    if name in {"n_ctx", "n_batch", "n_threads", "type_k", "type_v", "abort_callback"}
}


def shifted(behind: int, by: int) -> dict[str, int]:
    return {name: at + by if at >= behind else at for name, at in FOUND.items()}


def test_the_name_tells_what_came_in_and_where() -> None:
    assert layout_of(FOUND, 168, CONTEXT_LAYOUTS).name == "ctx-J (calibrated)"
    assert layout_of(shifted(112, 8), 176, CONTEXT_LAYOUTS).name == "ctx-J+8@120 (calibrated)"
    assert layout_of(FOUND, 168, CONTEXT_LAYOUTS[:-1]).name == "ctx-I+8@112 (calibrated)"


def test_size_and_rows_are_what_was_found() -> None:
    layout = layout_of(dict(reversed(list(FOUND.items()))), 165, CONTEXT_LAYOUTS)
    assert (layout.size, layout.seen) == (168, CALIBRATED)
    assert list(layout.offsets().items()) == list(FOUND.items())


def test_fields_in_one_another_are_refused() -> None:
    with pytest.raises(Uncalibrated, match="type_v and abort_callback overlap"):
        layout_of({**FOUND, "abort_callback": FOUND["type_v"] + 2}, 160, CONTEXT_LAYOUTS)


def test_fields_that_changed_places_are_refused() -> None:
    with pytest.raises(Uncalibrated, match="no known layout has the order n_batch n_ctx"):
        layout_of({**FOUND, "n_ctx": 4, "n_batch": 0}, 160, CONTEXT_LAYOUTS)


def test_a_field_is_looked_for_where_all_layouts_have_it() -> None:
    assert window("n_batch", {"n_ctx": 0, "n_threads": 28}, CONTEXT_LAYOUTS) == (0, 28)
    assert window("embeddings", {"abort_callback": 112}, CONTEXT_LAYOUTS) == (-1, 1 << 16)  # ctx-A has it in front
    assert window("embeddings", {"abort_callback": 112}, CONTEXT_LAYOUTS[1:]) == (112, 1 << 16)
    assert window("n_ctx", {"main_gpu": 24}, (*MODEL_LAYOUTS, *CONTEXT_LAYOUTS)) == (-1, 1 << 16)


def test_the_journal_goes_on_behind_what_ended_a_process(tmp_path: Path) -> None:
    ran: list[str] = []

    def run(name: str, result: bool) -> Callable[[], bool]:
        def attempt() -> bool:
            ran.append(name)
            return result

        return attempt

    first = FileJournal(tmp_path / "journal")
    assert (first.attempt("a", run("a", True)), first.attempt("b", run("b", False))) == (True, False)
    with pytest.raises(SystemExit):
        first.attempt("c", lambda: (_ for _ in ()).throw(SystemExit))
    second = FileJournal(tmp_path / "journal")
    assert [second.attempt(name, run(name, True)) for name in "abcd"] == [True, False, False, True]
    assert ran == ["a", "b", "d"]


@pytest.mark.parametrize(
    "change",
    [{"size": 0}, {"size": 4096}, {"rows": "n_ctx@200"}, {"rows": "n_ctx@-4"}, {"rows": "n_ctx"}, {"rows": "n_ctx@x"}],
)
def test_stored_layouts_that_cannot_be_one_are_refused(change: dict[str, object]) -> None:
    good = {"name": "ctx-X", "size": 160, "rows": "n_ctx@0"}
    assert calibrated_from({"model": None, "context": good}).context is not None
    with pytest.raises(ValueError):  # noqa: PT011 - any of the kind is caught by its one reader
        calibrated_from({"model": None, "context": {**good, **change}})


class Eager:
    """This is a journal that remembers nothing."""

    def attempt(self, name: str, run: Callable[[], bool]) -> bool:
        return run()


class Unsearched(Struct):
    """This is a struct of which the test itself places fields."""

    def search(self) -> None:
        """Finds none."""


def struct_of(layout: Layout) -> Struct:
    drift = next(drifts(layout))
    plain = replace(drift, offsets=layout.offsets(), end=layout.size)
    nothing: Any = None
    return Unsearched(nothing, nothing, "", Eager(), CONTEXT_LAYOUTS, image_of(plain, "alone", -1))


def test_two_places_that_show_a_field_are_a_refusal() -> None:
    struct = struct_of(NEWEST)
    with pytest.raises(Uncalibrated, match="n_ctx could stand at 0 or 8"):
        struct.place("n_ctx", lambda at: at in (0, 8))


def test_no_place_leaves_a_field_out_and_one_is_noted() -> None:
    struct = struct_of(NEWEST)
    struct.place("n_batch", lambda at: False)
    struct.place("n_ctx", lambda at: at == 8)
    assert struct.places == {"n_ctx": 8}


def test_only_places_with_a_known_default_are_tried() -> None:
    tried: list[int] = []
    struct = struct_of(NEWEST)

    def shows(at: int) -> bool:
        tried.append(at)
        return False

    struct.place("n_ctx", shows)
    assert tried == [0, 8]  # n_ctx and n_ubatch are 512
    struct.places = {**FOUND, "n_ubatch": 8, "n_seq_max": 12, "abort_callback_data": 128}
    assert struct.flags("kv_unified") == [136, 141]


def test_unseen_bytes_are_a_refusal() -> None:
    nothing: Any = None
    with pytest.raises(Uncalibrated, match="cannot be seen"):
        Unsearched(nothing, nothing, "", Eager(), CONTEXT_LAYOUTS, DefaultImage(bytes(LARGEST), None))


def test_a_known_layout_is_not_calibrated() -> None:
    assert replace(NEWEST, seen=CALIBRATED).offsets() == NEWEST.offsets()
    assert NEWEST.seen != CALIBRATED
