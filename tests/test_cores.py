"""Tests the number of threads, and when a machine is busy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hoshikage.cores import BUSY_LOAD, is_busy, physical_cores, threads


def test_at_least_one_and_no_more_than_there_are() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("waiting", "busy"), [("0.00", False), ("12.50", False), ("30.00", True), ("97.09", True)])
def test_a_machine_is_busy_where_programs_wait_for_a_core(waiting: str, busy: bool, tmp_path: Path) -> None:
    file = tmp_path / "cpu"
    numbers = "avg60=1.00 avg300=1.00 total=1"
    file.write_text(f"some avg10={waiting} {numbers}\nfull avg10=0.00 {numbers}\n")
    assert is_busy(file) is busy


def test_else_by_the_programs_that_want_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (BUSY_LOAD * physical_cores(), 0.0, 0.0), raising=False)
    assert is_busy(tmp_path / "none")
    monkeypatch.setattr(os, "getloadavg", lambda: (0.9 * physical_cores(), 0.0, 0.0), raising=False)
    assert not is_busy(tmp_path / "none")


def test_a_core_stays_free_on_a_busy_machine_and_a_number_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.cores.physical_cores", lambda: 4)
    assert (threads(0, busy=False), threads(0, busy=True), threads(6, busy=True)) == (4, 3, 6)
    monkeypatch.setattr("hoshikage.cores.physical_cores", lambda: 1)
    assert threads(0, busy=True) == 1
