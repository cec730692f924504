"""The tables of real models in the documents are whole, and say what the command would not let pass."""

from __future__ import annotations

from pathlib import Path

import pytest

import matrix
import models
import real_models
from screen import ROOT

NAMES = tuple(real_models.table())
REAL_CELLS = {"b6301 auto": models.MODES[:3], "v0.5.0 auto": models.MODES}
"""These cells of equal answers are measured with the real model, which takes so long that others are not."""
GOOD = {"answers": "3/3", "usage": "3/3", "logprobs": 1e-8, "edges": models.EDGES}


def rows_of(name: str, mark: str) -> list[list[str]]:
    lines = (ROOT / "docs" / name).read_text("utf-8").partition(mark)[2].partition(matrix.END)[0].splitlines()[3:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", matrix.DOCUMENTS.values())
def test_every_model_was_run_over_every_release(name: str) -> None:
    rows = rows_of(name, models.MARK)
    assert [tuple(row[:2]) for row in rows] == [(release, model) for release in models.RELEASES for model in NAMES]
    assert len(models.RELEASES) >= 8
    known = [row for row in rows if row[2] != "-"]
    assert {row[1] for row in rows if row not in known} <= {"gemma3"}, "releases that do not know the architecture"
    for row in known:
        if row[1] == "minilm":
            assert float(row[2].removeprefix("cos ")) > models.MIN_COSINE
        else:
            assert (row[2], row[4], row[5]) == ("3/3", "3/3", models.EDGES)
            assert float(row[3]) < models.MAX_OFF


@pytest.mark.parametrize("name", matrix.DOCUMENTS.values())
def test_the_equal_answers_shown_are_those_measured(name: str) -> None:
    assert rows_of(name, models.EQUALITY_MARK) == [*models.equality()]


def test_every_cell_of_equal_answers_has_two_hundred() -> None:
    found = {
        (row, mode): cells[mode] for row, cells in models.measured().items() for mode in models.MODES if mode in cells
    }
    *small, real = models.EQUALITY_MODELS
    cases = [" ".join(case) for case in models.CASES]
    wanted = {(f"{model} {case}", mode) for model in small for case in cases for mode in models.MODES}
    wanted |= {(f"{real} {case}", mode) for case, modes in REAL_CELLS.items() for mode in modes}
    assert wanted - found.keys() == set()
    assert {row for row, _ in found.keys() - wanted} <= {f"{real} {case}" for case in cases}
    for (row, mode), (count, texts, all_told) in found.items():
        assert count is not None
        assert texts is not None
        assert count >= 200
        assert 0 <= texts <= count
        assert row.startswith(f"{real} ") if all_told is None else texts <= all_told <= count
        assert mode != "again" or (texts, all_told or 0) == (0, 0), "the same run again must be the same"


def test_what_is_wrong_is_named() -> None:
    assert models.fault(GOOD) == ""
    assert models.fault({**GOOD, "answers": "2/3", "edges": "2 1 1 400"}) == "answers, edges"
    assert models.fault({**GOOD, "logprobs": 0.1}) == "logprobs"
    assert models.fault({"cosine": 0.99}) == "cosine 0.99"
    assert models.fault({"fault": "exit status 1: unknown model architecture: 'gemma3'"}) == ""
    assert models.fault({"fault": "exit status -6"})


def test_a_file_that_is_not_what_it_should_be_is_told_by_its_digest(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    assert real_models.digest(file) != real_models.table()["smollm2"].sha256
    assert {len(model.sha256) for model in real_models.table().values()} == {0, 64}
