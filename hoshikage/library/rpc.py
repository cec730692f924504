"""Tells whether a library has ggml's RPC backend, by its files alone: nothing is loaded. Any thread; blocks on the
disk."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final

from hoshikage.library.names import is_ggml

MAKING: Final = b"ggml_backend_rpc_init"
"""The backend has this function of its own; those that add a server are named in libraries without it, too."""


def is_there(library: Path) -> bool:
    """Returns whether the library or one of ggml's files beside it has the backend."""
    beside = [file for file in sorted(library.parent.iterdir()) if is_ggml(file.name)]
    return any(_says(file) for file in (library, *beside))


def _says(file: Path) -> bool:
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
            return held.find(MAKING) >= 0
    except (OSError, ValueError):  # a folder, or an empty file
        return False
