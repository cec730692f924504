"""Finds the processes that a program has left: told by a mark in their environment, which every child inherits. Linux;
blocking.

Standard library only.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MARK: Final = "HOSHIKAGE_TREE"
"""This variable tells one tree of processes from all others; a runner gets what begins so."""


def marked(mark: str) -> set[int]:
    """Returns the processes that have the mark, and have not ended."""
    wanted, result = f"{MARK}={mark}".encode(), set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    result.add(int(entry.name))
            except OSError:
                continue
    return result


def runs(pid: int, module: str) -> bool:
    """Returns whether the process was started to run this module."""
    try:
        return module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def words(pid: int) -> str:
    """Returns the end of the process's command line, as far as it tells what runs; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[-120:].strip()
    except OSError:
        return ""


def left(processes: Iterable[int], within_s: float) -> set[int]:
    """Waits so long for all of them to end; those that are still there."""
    ends = time.monotonic() + within_s
    still = set()
    for pid in processes:
        try:
            watch = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([watch], [], [], max(0.0, ends - time.monotonic()))[0]:
                still.add(pid)
        finally:
            os.close(watch)
    return still
