"""Tests the record of what the program says: the same tree gives the same record, and a difference is seen and
shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import freeze
from hoshikage.messages import http
from screen import Refused, Screen
from tests.frozen.normal import normal


def frozen(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["freeze.py", *map(str, arguments)])
    return freeze.main(Screen("en"))


@pytest.mark.long
@pytest.mark.parametrize("part", ["words", "commands", "counts"])
def test_the_same_tree_gives_the_same_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    environ = dict(os.environ)
    assert frozen(monkeypatch, "record", tmp_path / "record", "--only", part) == 0
    assert frozen(monkeypatch, "compare", tmp_path / "record", "--only", part) == 0
    assert dict(os.environ) == environ
    assert len(list((tmp_path / "record").iterdir())) > 1


def test_a_difference_is_seen_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert frozen(monkeypatch, "record", tmp_path, "--only", "words") == 0
    key = next(iter(http.TEXTS))
    monkeypatch.setitem(http.TEXTS, key, ("違う言葉", "Other words"))
    capsys.readouterr()
    assert frozen(monkeypatch, "compare", tmp_path, "--only", "words") == 1
    shown = capsys.readouterr().out
    assert "+++ after/texts_http.txt" in shown
    assert "+  en 'Other words'" in shown
    assert "1 files differ." in shown


def test_nothing_to_compare_with_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused) as refused:
        frozen(monkeypatch, "compare", tmp_path / "nowhere")
    assert refused.value.key == "freeze_nothing"


def test_what_differs_from_run_to_run_is_left_out(tmp_path: Path) -> None:
    one = f'{{"id":"chatcmpl-{"0a" * 12}","created":1700000000,"file":"{tmp_path}/x"}} 2026-01-02T03:04:05Z'
    assert normal(one, tmp_path) == '{"id":"chatcmpl-<hex>","created":<time>,"file":"<scratch>/x"} <time>'


def test_how_long_it_took_is_left_out_and_how_often_is_kept(tmp_path: Path) -> None:
    bucket, end, total, count = (
        'a_seconds_bucket{route="/x",le="0.05"} 3',
        'a_seconds_bucket{route="/x",le="+Inf"} 4',
        'a_seconds_sum{route="/x"} 0.388973882960272',
        'a_seconds_count{route="/x"} 4',
    )
    left = normal("\n".join((bucket, end, total, count)), tmp_path).split("\n")
    assert left == ['a_seconds_bucket{route="/x",le="0.05"} <number>', end, 'a_seconds_sum{route="/x"} <number>', count]
