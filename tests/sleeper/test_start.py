"""Tests which starts are taken for the same as the last one: in any doubt none is."""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hoshikage.sleeper import start
from hoshikage.sleeper.program import WOKEN

Change = Callable[[Path, pytest.MonkeyPatch], Any]


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the file that a start left behind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    monkeypatch.setenv("PORT", "3030")
    monkeypatch.chdir(tmp_path)
    file = Path(start.file())
    file.parent.mkdir(parents=True)
    variables, files = ["PORT", "HOST"], [str(tmp_path / ".env")]
    file.write_bytes(
        marshal.dumps({"variables": variables, "files": files, "key": start.key(variables, files), "host": "127.0.0.1"})
    )
    file.chmod(0o600)
    return file


def test_the_same_start_is_known(left: Path) -> None:
    found = start.remembered()
    assert found is not None
    assert found["host"] == "127.0.0.1"


def moved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")


@pytest.mark.parametrize(
    "change",
    [
        lambda _, patch: patch.setenv("PORT", "3031"),
        lambda _, patch: patch.setenv("HOST", "127.0.0.1"),
        lambda _, patch: patch.delenv("PORT"),
        lambda folder, _: (folder / ".env").write_text("PORT=1\n"),
        moved,
        lambda _, patch: patch.setattr("sys.orig_argv", ["python", "-m", "hoshikage", "list"]),
        lambda _, patch: patch.setenv("LISTEN_FDS", "1"),
        lambda _, patch: patch.setenv(WOKEN, "3"),
        lambda _, patch: patch.setattr("sys.platform", "darwin"),
        lambda folder, _: (folder / "cache" / "hoshikage" / "start").chmod(0o644),
        lambda folder, _: (folder / "cache" / "hoshikage" / "start").unlink(),
        lambda folder, _: (folder / "cache" / "hoshikage" / "start").write_bytes(b""),
        lambda folder, _: (folder / "cache" / "hoshikage" / "start").write_bytes(marshal.dumps([1])),
        lambda folder, _: (folder / "cache" / "hoshikage" / "start").write_bytes(marshal.dumps({})),
    ],
)
def test_a_start_that_may_be_another_is_not(
    left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    change(tmp_path, monkeypatch)
    assert start.remembered() is None


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "4000000"}, 2.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, 2.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "x"}, 0.0),
    ],
)
def test_the_watchdog_is_heeded(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], seconds: float) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert start.ping_every() == seconds
