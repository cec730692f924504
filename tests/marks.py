"""Decides which tests need a library or processes: marked where that can be seen, and held to it in the unit lane. Any
thread.

A test that is marked neither `native` nor `process` may start no process and load no libllama there: that lane has to
stay fast, and to run where no library is.
"""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path
from typing import Any, Final

import pytest

LIBRARIES: Final = frozenset({"libraries", "spoiling_library"})
"""These are the fixtures of the real libraries. A test that has one, directly or through another, is `native`."""
STARTS: Final = frozenset({"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"})
"""These audit events tell of a process being started."""
PROCESSES: Final = "end_to_end"
"""The tests of this folder all run a server in a process of its own."""
OF_A_FILE: Final = re.compile(r"^pytestmark = (?:\[[^\]]*\]|.*)", re.MULTILINE)
"""Every test of a file is marked by this."""
UNIT: Final = "not process"
"""This is a part of the unit lane's choice of marks."""


class Guard:
    """While it is `on`, starting a process or loading a libllama raises; `fault` says so for the test's report."""

    def __init__(self) -> None:
        self.on = False
        self.fault = ""

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in STARTS:
            self._refuse(f"This test starts a process: mark it `process` ({event} {arguments[:1]}).")
        if self.on and event == "ctypes.dlopen" and "llama" in str(arguments[0]):
            self._refuse(f"This test loads a library: mark it `native` ({arguments[0]}).")

    def _refuse(self, fault: str) -> None:
        self.fault = fault
        raise AssertionError(fault)


platform.uname().processor  # noqa: B018  the SDKs ask for it, and the first to ask starts a process
GUARD: Final = Guard()
sys.addaudithook(GUARD.audit)


def is_left_out(path: Path, expression: str) -> bool:
    """Returns whether pytest's `-m` leaves out every test of a file, by the marks of the whole file or of its
    folder."""
    if path.suffix != ".py" or not path.name.startswith("test_"):
        return False
    left_out = set(re.findall(r"\bnot (\w+)", expression)) if " or " not in expression else set()
    if PROCESSES in path.parts and "process" in left_out:
        return True
    lines = OF_A_FILE.search(path.read_text("utf-8")) if left_out else None
    return lines is not None and not left_out.isdisjoint(re.findall(r"pytest\.mark\.(\w+)", lines[0]))


def mark(items: list[pytest.Item]) -> None:
    """Marks `native` what has the real libraries, and `process` what has a server."""
    for item in items:
        if PROCESSES in item.path.parts:
            item.add_marker(pytest.mark.process)
        if LIBRARIES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.native)


def encodable(text: str) -> str:
    """Returns the text with each half of a surrogate pair escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
