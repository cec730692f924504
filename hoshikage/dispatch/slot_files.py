"""Files that a slot's state is saved to by a name (llama-server's /slots), in one folder. Any thread; blocking."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoshikage.dispatch.kv_files import FolderFiles
from hoshikage.errors import InvalidRequest

FOLDER: Final = Path("kv", "slots")
"""In the cache folder."""
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._+@=-]{0,127}")
RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|part-[0-9a-f]{32}|.*[. ]")
"""Names that Windows has for devices or cuts, and those of files in the making."""


def path_of(name: str, cache: Path) -> Path:
    """The file of that name. Raises InvalidRequest for what is no plain name."""
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name):
        raise InvalidRequest("http.slot_filename", param="filename")
    return cache / FOLDER / name


def make(cache: Path) -> str:
    """An empty file to save to. OSError."""
    return FolderFiles(cache / FOLDER).make()


def publish(made: str, target: Path) -> None:
    """The file is whole and has that name from now on, in place of another. OSError."""
    FolderFiles(target.parent).publish_as(made, target.name)


def remove(made: str) -> None:
    """A file that was not saved to."""
    with suppress(OSError):
        Path(made).unlink()


def saved(cache: Path) -> list[Path]:
    """Every saved file."""
    try:
        with os.scandir(cache / FOLDER) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    return [cache / FOLDER / name for name in names if NAME.fullmatch(name) and not RESERVED.fullmatch(name)]


def clear(cache: Path) -> None:
    """Removes every saved file."""
    for file in saved(cache):
        with suppress(OSError):
            file.unlink()
