"""The table of what each release has is what the files of the tested releases say now."""

from __future__ import annotations

import pytest

import libraries
import matrix
import offers
from screen import ROOT
from tests.conftest import RELEASES


@pytest.mark.native
@pytest.mark.parametrize("name", matrix.DOCUMENTS.values())
def test_the_rows_of_the_tested_releases_are_what_their_files_say(name: str) -> None:
    made = (ROOT / "docs" / name).read_text("utf-8").partition(offers.MARK)[2].partition(matrix.END)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in made.strip().splitlines()[2:]]
    assert [row[:2] for row in rows] == [[release.llama, release.npm] for release in libraries.table()]
    tested = [one for one in libraries.table() if one.llama in RELEASES and libraries.file_of(one) is not None]
    assert {one.llama for one in tested} == set(RELEASES)
    for release in tested:
        assert offers.cells(release) in rows
