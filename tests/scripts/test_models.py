"""The tables of real models in the documents are whole, and say what the command would not let pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import matrix
import models
import real_models
from screen import ROOT

NAMES = tuple(real_models.table())
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
def test_every_cell_of_equal_answers_has_two_hundred(name: str) -> None:
    rows = rows_of(name, models.EQUALITY_MARK)
    assert rows == [*models.equality()], "what was measured and what is shown"
    small = [tuple(row[:3]) for row in rows if row[0] != "smollm2" and models.NOT_MEASURED not in row[3:]]
    assert small == [(model, *case) for model in models.EQUALITY_MODELS[:2] for case in models.CASES]
    assert {row[0] for row in rows} == set(models.EQUALITY_MODELS)
    for row in rows:
        for cell in row[3:]:
            if cell == models.NOT_MEASURED:
                continue
            texts, told, count = map(int, re.sub(r"[(–)/]+", " ", cell.replace("(–)", "0")).split())
            assert count >= 200
            assert texts <= told <= count or "(–)" in cell
        assert row[3].startswith("0 "), "the same run again must be the same"


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
