"""Lists a model's files as they are now, and makes the name that a copy of exactly these has. Any thread; blocking."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Final

from hoshikage import gguf
from hoshikage.dispatch.private_folder import COPY, Doubt
from hoshikage.frozen import Frozen

ONE_FILE: Final = "weights.gguf"


class SourceFile(Frozen, frozen=True):
    """This is one file of the model. Its `identity` is device, inode, size, times of the last change to content and to
    inode."""

    file: Path
    identity: tuple[int, int, int, int, int]
    copy: str
    """`copy` is its name in the copy."""

    @property
    def size(self) -> int:
        return self.identity[2]

    def check_unchanged(self, status: os.stat_result) -> None:
        """Raises Doubt where the file is not what it was."""
        if _identity(status) != self.identity:
            raise Doubt("dispatch.ramdisk_changed", file=str(self.file))


class SourceFiles(Frozen, frozen=True):
    """These are all files of a model. Made by `of`."""

    file: Path
    """`file` is the (first) one, by which the model is known."""
    all: tuple[SourceFile, ...]
    first: str
    """`first` is the name of `file` in the copy."""

    @classmethod
    def of(cls, file: Path) -> SourceFiles:
        """Lists every file with its present identity. Raises OSError, ValueError."""
        name = gguf.SplitName.of(file.name)
        if name is None:
            return cls(file, (_source(file, ONE_FILE),), ONE_FILE)
        copies = replace(name, stem="weights").all()
        sources = [_source(part, copy) for part, copy in zip(gguf.files(file), copies, strict=True)]
        return cls(file, tuple(sources), copies[name.number - 1])

    @property
    def size(self) -> int:
        return sum(source.size for source in self.all)

    @property
    def sizes(self) -> dict[str, int]:
        """Returns the size of each file in bytes, by its name in the copy."""
        return {source.copy: source.size for source in self.all}

    @property
    def copy_name(self) -> str:
        identities = repr([(source.copy, source.identity) for source in self.all])
        return COPY + hashlib.sha256(identities.encode()).hexdigest()[:32]


def _source(file: Path, copy: str) -> SourceFile:
    result = file.stat()
    if not stat.S_ISREG(result.st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(file))
    return SourceFile(file, _identity(result), copy)


def _identity(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
