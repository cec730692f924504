"""Tells whether a library can have pictures and sound read, by its files alone: nothing is loaded. Any thread; blocks
on the disk."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final

from hoshikage.library.names import is_mtmd

OPENING: Final = b"mtmd_init_from_file"
"""A libllama that has libmtmd in its own file names this function."""


def is_there(library: Path) -> bool:
    """Returns whether libmtmd lies beside the library or within it, where a load looks for it."""
    folders = dict.fromkeys((library.parent, library.resolve().parent))
    return any(is_mtmd(file.name) for folder in folders for file in folder.iterdir()) or _says(library)


def _says(file: Path) -> bool:
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
            return held.find(OPENING) >= 0
    except (OSError, ValueError):  # it cannot be read, or is empty
        return False
