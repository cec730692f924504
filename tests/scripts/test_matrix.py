"""Tests the matrix's table of releases and the documents made from it agree with the layouts that are known."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import hidden
import libraries
import matrix
from hoshikage._ffi.features import FEATURES
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage.library import releases
from screen import ROOT
from tests.conftest import RELEASES


def test_every_release_of_the_table_is_there_once_with_known_layouts() -> None:
    table = libraries.table()
    assert {release.npm: release.llama for release in table} == releases.RELEASES
    assert {release.model for release in table} <= {layout.name for layout in MODEL_LAYOUTS}
    assert {release.context for release in table} <= {layout.name for layout in CONTEXT_LAYOUTS}
    for release in table:
        for layouts, name in ((MODEL_LAYOUTS, release.model), (CONTEXT_LAYOUTS, release.context)):
            assert release.llama in next(layout for layout in layouts if layout.name == name).seen.split()
        assert all(re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", text) for text in release.integrity.values())
    assert tuple(release.llama for release in libraries.tested()) == RELEASES


def rows_between(text: str, mark: str) -> list[list[str]]:
    lines = text.partition(mark)[2].partition(matrix.END)[0].splitlines()[3:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", matrix.DOCUMENTS.values())
def test_the_documents_have_every_hidden_release_and_nothing_was_placed_wrongly(name: str) -> None:
    cells = rows_between((ROOT / "docs" / name).read_text("utf-8"), matrix.HIDDEN_MARK)
    concerned = [release for release in libraries.table() if hidden.concerns(release)]
    assert [row[:2] for row in cells] == [[release.llama, release.npm] for release in concerned]
    assert {(row[4], row[5]) for row in cells} == {("-", "passed")}


@pytest.mark.parametrize("name", matrix.DOCUMENTS.values())
def test_the_documents_have_every_release_and_every_golden_run_passed(name: str) -> None:
    text = (ROOT / "docs" / name).read_text("utf-8")
    cells = rows_between(text, matrix.MARK)
    assert [row[:4] for row in cells] == [
        [release.llama, release.npm, release.model, release.context] for release in libraries.table()
    ]
    assert {row[7] for row in cells} <= set(matrix.RESULT["passed"])
    assert {feature for row in cells for feature in row[5].split(", ")} <= {*FEATURES, "-"}


@pytest.mark.process
def test_a_release_in_a_process_of_its_own(libraries_folder: None) -> None:
    row = matrix.examine(libraries.tested()[0])
    assert (row.fault, row.found["golden"]) == ("", "passed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ok": False, "key": "library.x", "details": {}}, "library.x: {}"),
        ({"context_layout": "ctx-A"}, "context_layout is ctx-A, not ctx-I"),
        ({"golden": "failed"}, "golden is failed, not passed"),
    ],
)
def test_what_does_not_agree_is_a_fault(change: dict[str, Any], words: str) -> None:
    release = libraries.table()[-1]
    found = {"ok": True, "model_layout": "mdl-J", "context_layout": "ctx-I", "golden": "passed", **change}
    assert matrix.fault(release, found) == words


@pytest.mark.process
def test_a_check_that_dies_is_a_fault(libraries_folder: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dead = tmp_path / "python"
    dead.write_text("#!/bin/sh\necho last words >&2\nexit 9\n", "utf-8")
    dead.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dead))
    assert matrix.examine(libraries.tested()[0]).fault == "exit status 9: last words\n"


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "doc.md"
    file.write_text(f"before\n{matrix.MARK}\nold\n{matrix.END}\nafter\n", "utf-8")
    matrix.write(file, matrix.MARK, "new")
    assert file.read_text("utf-8") == f"before\n{matrix.MARK}\nnew\n{matrix.END}\nafter\n"


@pytest.fixture
def libraries_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, Path] = request.getfixturevalue("libraries")
    monkeypatch.setenv("HOSHIKAGE_TEST_LIBS", str(next(iter(files.values())).parents[3]))
