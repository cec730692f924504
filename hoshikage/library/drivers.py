"""Finds out which GPU driver this system has, as far as files tell. Any thread; reads one small file, starts
nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

NVIDIA: Final = Path("/proc/driver/nvidia/version")


def nvidia(file: Path = NVIDIA) -> str | None:
    """Returns the version of the NVIDIA kernel driver, such as `550.54.15`; None where none is loaded, or not on
    Linux."""
    try:
        said = file.read_text("utf-8", "replace")
    except OSError:
        return None
    match = re.search(r"^NVRM version:.*?\b(\d+\.\d+(?:\.\d+)*)\b", said, re.M)
    return match[1] if match else None
