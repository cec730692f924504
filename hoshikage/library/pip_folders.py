"""Knows where pip puts NVIDIA's libraries (nvidia-cublas, nvidia-cuda-runtime and others); no loader looks there by
itself. Any thread."""

from __future__ import annotations

import site
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = "LD_LIBRARY_PATH"


def of_nvidia(path: Iterable[str] | None = None) -> tuple[Path, ...]:
    """Lists the folders with a library in them, those of this interpreter, its virtual environment, and this user's
    packages."""
    if sys.platform != "linux":
        return ()
    entries = [*sys.path, site.getusersitepackages()] if path is None else path
    result: dict[Path, None] = {}
    for entry in filter(None, entries):
        with suppress(OSError):
            folders = sorted(Path(entry).glob("nvidia/*/lib"))
            result |= dict.fromkeys(folder for folder in folders if any(folder.glob("*.so*")))
    return tuple(result)


def searched(environ: Mapping[str, str]) -> str:
    """Returns what LD_LIBRARY_PATH is to be for a program that loads a library: its own folders come first. Empty for
    nothing.

    The system's own libraries come behind these: whoever installs them with pip wants them to be used.
    """
    own = environ.get(VARIABLE, "")
    return ":".join([*filter(None, [own]), *map(str, of_nvidia())])
