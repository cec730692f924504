"""Which tests need a library or processes: marked where a fixture shows it, and held to it where they run. Any thread.

A test that is marked neither `native` nor `process` may start no process and load no libllama: the fast lane has to
stay fast, and to run where no library is.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import pytest

LIBRARIES: Final = "libraries"
"""The fixture of the real libraries; who has it, directly or through another, is `native`."""
STARTS: Final = frozenset({"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"})
"""Audit events of a process being started."""
SLOW: Final = ("native", "process", "long")
"""Marks of tests that are not of the fast lane."""


class Guard:
    """While `name` is set, starting a process or loading a libllama raises."""

    def __init__(self) -> None:
        self.name = ""

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.name:
            return
        if event in STARTS:
            raise AssertionError(f"{self.name} starts a process: mark it `process` ({event} {arguments[:1]})")
        if event == "ctypes.dlopen" and "llama" in str(arguments[0]):
            raise AssertionError(f"{self.name} loads a library: mark it `native` ({arguments[0]})")


GUARD: Final = Guard()
sys.addaudithook(GUARD.audit)


def mark(items: list[pytest.Item]) -> None:
    for item in items:
        if LIBRARIES in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.native)


def is_fast(item: pytest.Item) -> bool:
    return not any(item.get_closest_marker(name) for name in SLOW[:2])


def encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
