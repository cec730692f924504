"""Tests programs that examine run in processes of their own: what they print, how they end, and what is kept of it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from hoshikage.library import child

pytestmark = pytest.mark.process


def run(code: str, timeout_s: float = 60, stdin: bytes = b"") -> child.ChildOutcome:
    return child.run([sys.executable, "-c", code], timeout_s, stdin)


def test_what_it_prints_is_its_answer() -> None:
    ended = run("import sys; print('[1]'); print('why', file=sys.stderr); sys.exit(1)")
    assert (ended.status, ended.answer(), ended.log) == (1, [1], ("why", ""))
    assert run("print('half of a li')").answer() is None


def test_it_reads_what_it_is_given() -> None:
    assert run("import sys; print(len(sys.stdin.buffer.read()))", stdin=b"x" * 100_000).answer() == 100_000
    assert run("import sys; print(len(sys.stdin.buffer.read()))").answer() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of this kind")
def test_a_crash_is_an_outcome() -> None:
    ended = run("import os; print('1', flush=True); os.abort()")
    assert (ended.status, ended.output) == (-signal.SIGABRT, "1\n")


def test_one_that_does_not_end_is_ended() -> None:
    assert run("import threading; threading.Event().wait()", timeout_s=0.5).status is None


def test_only_the_end_of_a_long_log_is_kept() -> None:
    ended = run("import sys\nfor n in range(20_000): print('line', n, file=sys.stderr)")
    assert ended.log[-2] == "line 19999"
    assert sum(map(len, ended.log)) < 1 << 16
    assert all(line.startswith("line ") for line in ended.log[:-1])


def test_its_module_is_found_by_this_processs_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examines.py").write_text("def main():\n    print('\"here\"')\n    return 3\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    ended = child.run(child.command("examines", 60), 60)
    assert (ended.status, ended.answer()) == (3, "here")
