"""Measures how much memory can be taken without hurting anyone, as Linux tells it. Any thread; blocking for
microseconds."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

FILESYSTEM: Final = Path("/")
UNLIMITED: Final = 2**63


def available_memory(root: Path = FILESYSTEM) -> int:
    """Counts the bytes that are free or can be reclaimed at once, in the machine and in this process's cgroups (version
    2).

    A file in memory counts against the cgroup like any other memory, and going over its limit ends processes
    instead of failing a write. 0 where the system does not tell. `root` is where /proc and /sys lie.
    """
    return min(_of_machine(root), _of_cgroups(root))


def _of_machine(root: Path) -> int:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _of_cgroups(root: Path) -> int:
    mount, minimum = root / "sys/fs/cgroup", UNLIMITED
    for line in _lines(root / "proc/self/cgroup"):
        if line.startswith("0::"):
            path = PurePosixPath(line[3:].strip())
            for group in (path, *path.parents):
                minimum = min(minimum, _of_cgroup(mount / group.relative_to("/")))
    return minimum


def _of_cgroup(group: Path) -> int:
    limit = min(_number(group / name) for name in ("memory.max", "memory.high"))
    if limit == UNLIMITED:
        return UNLIMITED
    reclaimable = 0
    for line in _lines(group / "memory.stat"):
        if line.startswith("inactive_file "):
            reclaimable = int(line.split()[1])
    return max(0, limit - _number(group / "memory.current") + reclaimable)


def _number(file: Path) -> int:
    """Reads the file's number; UNLIMITED for `max` and where there is none, as in the topmost group."""
    words = _lines(file)
    return int(words[0]) if words and words[0].isdecimal() else UNLIMITED


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
