"""Reads what the dynamic linker's cache lists, on Linux; it knows the folders of /etc/ld.so.conf, too. Any thread."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

_PROGRAMS: Final = ("/sbin/ldconfig", "/usr/sbin/ldconfig")
_TIMEOUT_S: Final = 10


def listed(platform: str) -> list[tuple[str, Path]]:
    """Returns each name with its file, in the cache's order; nothing where there is no cache. Blocks on a process."""
    if platform != "linux":
        return []
    for program in _PROGRAMS:
        try:
            printed = subprocess.run(
                [program, "-p"], capture_output=True, timeout=_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL
            ).stdout.decode("utf-8", "replace")
        except (OSError, subprocess.SubprocessError):
            continue
        rows = (line.rpartition(" => ") for line in printed.splitlines())
        return [(name.split()[0], Path(path)) for name, arrow, path in rows if arrow and name.strip()]
    return []
