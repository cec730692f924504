"""Makes stand-ins for the programs of service managers: they write down how they were called and say what a test
wants."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hoshikage.service.units import ServiceProgram

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")


class Programs:
    """This is a folder of PATH. `say` makes a program that answers by its arguments; `called` is what was run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._log = folder / "called.log"

    def say(self, program: str, answers: Mapping[str, tuple[int, str]] | None = None) -> None:
        """Makes a program; `answers` maps a part of the arguments to exit status and words: the first that fits, else 0
        and none."""
        lines = ["#!/bin/sh", f'echo "{program} $*" >> {shlex.quote(str(self._log))}', 'case "$*" in']
        for part, (status, words) in (answers or {}).items():
            stream = "" if status == 0 else " >&2"
            lines.append(f"*{shlex.quote(part)}*) printf '%s\\n' {shlex.quote(words)}{stream}; exit {status};;")
        file = self.folder / program
        file.write_text("\n".join([*lines, "esac", ""]), encoding="utf-8")
        file.chmod(0o755)

    @property
    def called(self) -> list[str]:
        return self._log.read_text("utf-8").splitlines() if self._log.exists() else []

    def forget(self) -> None:
        self._log.unlink(missing_ok=True)

    @property
    def environ(self) -> dict[str, str]:
        """PATH is this folder alone, so that no real manager is ever asked."""
        return {**os.environ, "PATH": str(self.folder)}


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "programs")


@pytest.fixture
def program(home: Path) -> ServiceProgram:
    return ServiceProgram(Path(sys.executable), home, (("PORT", "3977"), ("HOSHIKAGE_LANG", "ja")))
