"""Tests the lanes of scripts/test.py: which tests each one runs, and that every lane is told to people."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Final

import pytest

import lanes
import test as script
from screen import ROOT, Screen
from tests import marks

MARKS: Final = {*lanes.SLOW, *(lane.name for lane in lanes.LANES), "further"}
FURTHER: Final = lanes.Lane("further")


def chosen(lane: lanes.Lane, *own: str) -> bool:
    """Returns whether the lane runs a test with these marks."""
    expression = lanes.marks(lane) or "True"
    return bool(eval(expression, {mark: mark in own for mark in MARKS}))


def test_each_test_has_its_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LANES", (*lanes.LANES, FURTHER))
    for lane, runs in (
        (lanes.UNIT, {(): True, ("native",): False, ("process",): False, ("long",): False, ("further",): False}),
        (lanes.FULL, {(): True, ("native",): True, ("process", "long"): True, ("further", "process"): False}),
        (FURTHER, {(): False, ("native",): False, ("further",): True, ("further", "native"): True}),
    ):
        assert {own: chosen(lane, *own) for own in runs} == runs, lane.name
    assert marks.UNIT in lanes.marks(lanes.UNIT)


@pytest.mark.parametrize(
    ("source", "expression", "out"),
    [
        ("pytestmark = pytest.mark.process\n", "not native and not process", True),
        ("pytestmark = [\n    LINUX,\n    pytest.mark.native,\n]\n", "not native and not process", True),
        ("pytestmark = pytest.mark.process\n", "not native", False),
        ("pytestmark = pytest.mark.process\n", "process", False),
        ("pytestmark = pytest.mark.process\n", "not process or native", False),
        ("@pytest.mark.process\ndef test_a() -> None: ...\n", "not process", False),
    ],
)
def test_a_file_is_left_out_by_the_marks_of_the_whole_file(
    tmp_path: Path, source: str, expression: str, out: bool
) -> None:
    (tmp_path / "test_a.py").write_text(source)
    assert marks.is_left_out(tmp_path / "test_a.py", expression) is out


def test_the_folder_of_servers_is_left_out_with_its_processes() -> None:
    folder = ROOT / "tests" / marks.PROCESSES
    assert marks.is_left_out(folder / "test_chat.py", "not process")
    assert not marks.is_left_out(folder / "conftest.py", "not process")
    assert not marks.is_left_out(folder / "test_chat.py", "process")


def test_every_lane_has_its_option_its_mark_and_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg", "utf-8")
    known = {line.partition(":")[0] for line in configuration["tool:pytest"]["markers"].strip().splitlines()}
    assert {lane.name for lane in lanes.LANES if lane is not lanes.UNIT and not lane.whole} <= known
    assert set(lanes.SLOW) <= known
    for lane in lanes.LANES:
        assert script.parser(Screen("en")).parse_args([f"--{lane.name}"]).lane is lane
    with pytest.raises(SystemExit):
        script.parser(Screen("en")).parse_args(["--unit", "--full"])
    assert "not allowed with" in capsys.readouterr().err
