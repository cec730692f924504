"""Finds the files of one model, which may be split into `NAME-00001-of-0000N.gguf` and so on. Any thread; blocking."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from hoshikage.errors import GgufInvalid, GgufMissing
from hoshikage.frozen import Frozen
from hoshikage.gguf.header import PROJECTOR, GgufHeader, Split
from hoshikage.gguf.kinds import require_served
from hoshikage.gguf.newest import read

SPLIT: Final = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)
CHAT_KINDS: Final = ("model", "")
"""What can answer by itself has one of these as its `general.type`; adapters, projectors and importance matrices
cannot."""


class SplitName(Frozen, frozen=True):
    """The name of one of a split model's files says this."""

    stem: str
    number: int
    """`number` is the file's place among the parts, the first of which is 1."""
    count: int

    @classmethod
    def of(cls, name: str) -> SplitName | None:
        """Reads such a name; None for a name that is no such one. The library finds the other files by this pattern
        alone."""
        match = SPLIT.fullmatch(name)
        if match is None:
            return None
        parts = cls(match["stem"], int(match["number"]), int(match["count"]))
        return parts if parts.count > 1 and 1 <= parts.number <= parts.count else None

    def all(self) -> tuple[str, ...]:
        """Lists the names of all the model's files, in their order."""
        return tuple(f"{self.stem}-{number:05d}-of-{self.count:05d}.gguf" for number in range(1, self.count + 1))


def files(file: Path) -> tuple[Path, ...]:
    """Lists all files of the model that this one is of, by its name; they need not exist."""
    name = SplitName.of(file.name)
    return (file,) if name is None else tuple(file.with_name(part) for part in name.all())


def first(file: Path, header: GgufHeader) -> Path:
    """Returns the file that stands for the whole model."""
    return file if header.split is None else files(file)[0]


def read_model(file: Path) -> GgufHeader:
    """Reads the header of the model that this file is (a part of), its counts and sizes summed over all its files.

    Raises GgufInvalid, also for parts that are missing or belong to something else.
    """
    header = read(file)
    if header.split is None:
        return header
    name = SplitName.of(file.name)
    if name is None or header.split != Split(name.number - 1, name.count):
        number, count = header.split.number + 1, header.split.count
        raise GgufInvalid("model.split_name", file=str(file), number=number, count=count)
    parts = [header if part == file else _part(part, name) for part in files(file)]
    for number, (part, one) in enumerate(zip(files(file), parts, strict=True)):
        if one.split != Split(number, name.count):
            raise GgufInvalid("model.split_mixed", file=str(part), number=number + 1, count=name.count)
    whole, n_tensors = parts[0], sum(part.n_tensors for part in parts)
    claimed = {part.values.get("split.tensors.count") for part in parts}
    if claimed != {n_tensors}:
        raise GgufInvalid("model.split_tensors", file=str(files(file)[0]), count=name.count, n_tensors=n_tensors)
    return replace(
        whole,
        size_bytes=sum(part.size_bytes for part in parts),
        n_params=sum(part.n_params for part in parts),
        n_tensors=n_tensors,
    )


def read_chat_model(file: Path) -> GgufHeader:
    """Reads the header as `read_model` does, of what can be registered. Raises GgufInvalid, also for adapters,
    projectors and the like."""
    header = read_model(file)
    if header.kind not in CHAT_KINDS or header.architecture == PROJECTOR:
        kind = header.kind if header.kind not in CHAT_KINDS else header.architecture
        raise GgufInvalid("model.not_a_chat_model", file=str(file), kind=kind)
    require_served(file, header)
    return header


def _part(file: Path, name: SplitName) -> GgufHeader:
    try:
        return read(file)
    except GgufMissing:
        raise GgufMissing("model.split_missing", file=str(file), count=name.count) from None
