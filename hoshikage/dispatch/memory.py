"""Resident memory of a process, where the system says it without a further package (Linux)."""

from __future__ import annotations

from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Bytes of physical memory mapped by that process; 0 where it is gone or the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
