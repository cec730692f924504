"""Finds the GGUF files of MODEL_DIR, each under a name made of its own. Any thread; blocking.

The folder and what lies in it are looked through with `scandir` alone: no file is opened. What was found is kept with
the times of the folders it was found in, and only a change of one of them, which a new, renamed or removed file is,
makes a new search.
"""

from __future__ import annotations

import os
import re
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoshikage import gguf
from hoshikage.frozen import Frozen

MAX_DEPTH: Final = 8
"""Folders are searched so deep below MODEL_DIR; a download cache has four."""
MAX_ENTRIES: Final = 50_000
"""So many files and folders are looked at, at most."""
MAX_MODELS: Final = 1_000
MAX_NAME: Final = 128
RACY_NS: Final = 2_000_000_000
"""Where a folder was read so shortly after it changed, it may change again without another time to show for it."""


class FolderModels(Frozen, frozen=True):
    """This is one model of the folder."""

    label: str
    file: Path
    """`file` is the first file of a split one."""
    created: int
    """`created` is the Unix time of the file's last change."""
    projector: Path | None = None
    """`projector` is the one in its folder, where no other model lies there."""


class _Search(Frozen, frozen=True):
    """This is what one search found, and the folders it looked into with their times of change in ns."""

    models: dict[str, FolderModels]
    folders: dict[str, int]
    began_ns: int

    def holds(self) -> bool:
        """Returns whether another search would find the same."""
        if any(changed + RACY_NS > self.began_ns for changed in self.folders.values()):
            return False
        try:
            return all(os.stat(folder).st_mtime_ns == changed for folder, changed in self.folders.items())  # noqa: PTH116
        except OSError:
            return False


class ModelFolder:
    """This is MODEL_DIR, searched anew whenever it has changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._busy = threading.Lock()
        self._last: _Search | None = None

    def models(self) -> dict[str, FolderModels]:
        """Returns each label's model, nearest and first by name first. Empty where the folder cannot be read."""
        with self._busy:
            if self._last is None or not self._last.holds():
                self._last = _search(self.root)
            return self._last.models


def _search(root: Path) -> _Search:
    began = time.time_ns()
    folders: dict[str, int] = {}
    models: dict[str, FolderModels] = {}
    for file, changed, projector in _files(root, folders):
        label = _label(file, models)
        models[label] = FolderModels(label, file, changed, projector)
        if len(models) == MAX_MODELS:
            break
    return _Search(models, folders, began)


def _files(root: Path, folders: dict[str, int]) -> Iterator[tuple[Path, int, Path | None]]:
    """Yields the models' files, the nearest to the root first, with their times of change and their projectors."""
    level, seen, left = [str(root)], set[tuple[int, int]](), MAX_ENTRIES
    for _ in range(MAX_DEPTH + 1):
        below: list[str] = []
        for folder in level:
            try:
                result = os.stat(folder)  # noqa: PTH116  before it is read: a change from now on is a later time
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)[:left]
            except OSError:
                continue
            folders[folder] = result.st_mtime_ns
            if (result.st_dev, result.st_ino) in seen:  # a link to a folder that it lies in, or to one already seen
                continue
            seen.add((result.st_dev, result.st_ino))
            left -= len(entries)
            projector = _projector([entry.name for entry in entries])
            for entry in entries:
                with suppress(OSError):
                    if entry.name.startswith(".") or not _is_text(entry.name):
                        continue
                    if _is_model(entry.name) and entry.is_file():
                        yield (
                            Path(entry.path),
                            int(entry.stat().st_mtime),
                            None if projector is None else Path(folder, projector),
                        )
                    elif entry.is_dir():
                        below.append(entry.path)
        level = below


def _projector(names: list[str]) -> str | None:
    """Returns the projector of a folder that has one, and one model."""
    projectors = [name for name in names if gguf.is_projector(name) and _is_text(name)]
    return projectors[0] if len(projectors) == 1 and sum(map(_is_model, names)) == 1 else None


def _is_text(name: str) -> bool:
    """Returns whether the name is UTF-8 on the disk: one that is not can neither be shown nor be told to a runner."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_model(name: str) -> bool:
    """Returns whether a file of that name stands for a model. Projectors (`mmproj`) are named so by everyone who makes
    them."""
    if not name.lower().endswith(".gguf") or gguf.is_projector(name):
        return False
    part = gguf.SplitName.of(name)
    return part is None or part.number == 1


def _label(file: Path, taken: dict[str, FolderModels]) -> str:
    """Makes a label that is not taken: the file's name, else with its folder's, else with a number.

    A model that comes later or lies deeper never changes the label of one that was there.
    """
    part = gguf.SplitName.of(file.name)
    name = _valid(file.name[:-5] if part is None else part.stem)
    if name not in taken:
        return name
    name = _valid(f"{name[: MAX_NAME // 2]}@{file.parent.name}")
    wanted, number = name, 2
    while name in taken:
        name = f"{wanted[: MAX_NAME - 8]}-{number}"
        number += 1
    return name


def _valid(name: str) -> str:
    """Returns the name with what labels cannot hold (entries.LABEL) as hyphens."""
    name = re.sub(r"(?<!-)-*[^A-Za-z0-9._:@+-]+-*", "-", unicodedata.normalize("NFC", name).lstrip("._:@+- ")).rstrip(
        "-"
    )
    return f"model{name}"[:MAX_NAME] if name[:1] in ("", "-") else name[:MAX_NAME]
