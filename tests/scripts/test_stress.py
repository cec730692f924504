"""Tests the stress that adds up: which piece comes next, when it begins anew, and what its table in the documents
says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import libraries
import stress
from screen import ROOT
from tests.engine.stress_done import cells
from tests.scripts.test_models import rows_of

RELEASES = tuple(release.llama for release in libraries.needed())


def test_every_release_and_kind_comes_until_each_release_has_its_answers() -> None:
    totals: stress.Totals = {"b8390 demo": Counter(answers=40)}
    order = []
    for release, kind in stress.wanted(totals, ("b4529", "b8390"), 100):
        order.append((release, kind))
        totals.setdefault(f"{release} {kind}", Counter()).update(answers=15)
        assert len(order) < 20
    known = cells(("b4529", "b8390"))
    assert order == [cell for cell in known if cell != ("b8390", "demo")] + [
        cell for cell in known if cell[0] == "b4529" or cell[1] != "demo"
    ]
    assert [row[:2] for row in stress.table(totals, ("b4529", "b8390"))] == [
        ["b4529", "120"],
        ["b8390", "160"],
        ["", "280"],
    ]


def test_another_engine_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tmp_path / "engine"
    engine.mkdir()
    (engine / "session.py").write_text("a = 1\n", "utf-8")
    monkeypatch.setattr("screen.ROOT", tmp_path)
    monkeypatch.setattr(stress, "STATE", ("engine",))
    monkeypatch.setattr(stress, "TOTALS", tmp_path / "stress.json")
    assert stress.read() == {}
    totals = {"b8390 demo": Counter(answers=40)}
    stress.keep(stress.digest(), totals)
    assert stress.read() == totals
    (engine / "session.py").write_text("a = 2\n", "utf-8")
    assert stress.read() == {}


def test_what_decides_an_answer_is_there() -> None:
    for name in stress.STATE:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("name", stress.DOCUMENTS.values())
def test_every_release_has_its_answers_and_none_is_wrong(name: str) -> None:
    rows = {row[0]: dict(zip(stress.COUNTS, map(int, row[1:]), strict=True)) for row in rows_of(name, stress.MARK)}
    everything = rows.pop(list(rows)[-1])
    assert tuple(rows) == RELEASES
    assert all(row["answers"] >= 2_000 for row in rows.values())
    assert everything == {count: sum(row[count] for row in rows.values()) for count in stress.COUNTS}
    assert everything["answers"] >= 20_000
    assert everything["wrong"] == 0
