"""Brings a model here: chosen, fetched, checked; it is registered by who asked, once all of it is there. Any thread;
blocking.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hoshikage import gguf
from hoshikage.errors import GgufInvalid
from hoshikage.gguf import GgufHeader
from hoshikage.hub.address import Address
from hoshikage.hub.choice import ModelVariant, RemoteFile, Wanted, choose, contents
from hoshikage.hub.sources import ModelSource, PlacedFile
from hoshikage.hub.transfer import Transfer, present, require_space

SUFFIX: Final = re.compile(r"[-_.]?gguf$", re.IGNORECASE)
UNFIT: Final = re.compile(r"[^A-Za-z0-9._@+-]+")


@dataclass(frozen=True, slots=True)
class Brought:
    """This model is here whole."""

    file: Path
    header: GgufHeader
    variant: ModelVariant
    projector: Path | None
    draft: Path | None
    """`draft` is a draft model whose vocabulary fits."""

    @property
    def options(self) -> dict[str, str]:
        """Gives what belongs to the model and was fetched with it, as the registry names it."""
        beside = {"draft": self.draft, "mmproj": self.projector}
        return {name: str(file) for name, file in beside.items() if file is not None}


def find(address: Address, source: ModelSource) -> Wanted:
    """Returns what would be fetched. Raises HoshikageError."""
    return choose(contents(source.files()), source.where, address.quant, address.file)


def bring(wanted: Wanted, source: ModelSource, transfer: Transfer, on_start: Callable[[int], None]) -> Brought:
    """Fetches what is missing and looks at all of it. `on_start` is told the bytes. Raises HoshikageError.

    A file that turns out to be no model is removed: another try fetches it anew.
    """
    placed = [(file, source.place(file)) for file in wanted.files]
    todo = [(file, where) for file, where in placed if isinstance(where, PlacedFile)]
    on_start(sum(file.size for file in wanted.files))
    if todo:
        missing = sum(max(0, (where.remote.size or 0) - present(where.target)) for _, where in todo)
        require_space(todo[0][1].target.parent, missing)
    files: dict[RemoteFile, Path] = {}
    for file, where in placed:
        if isinstance(where, Path):
            transfer.on_bytes(file.path, file.size, file.size)
            files[file] = where
        else:
            transfer.fetch(where.remote, where.target)
            files[file] = source.finish(file, where)
    fetched = [one for file, _ in todo for one in (files[file].resolve(), files[file])]
    try:
        header = gguf.read_chat_model(files[wanted.variant.files[0]])
    except GgufInvalid:
        for one in fetched:
            one.unlink(missing_ok=True)
        raise
    draft = None if wanted.draft is None else files[wanted.draft]
    if draft is not None:
        try:
            gguf.require_draft(draft, header)
        except GgufInvalid:
            draft = None  # made for another model of the repository
    projector = None if wanted.projector is None else files[wanted.projector]
    if projector is not None:
        try:
            gguf.require_projector(projector)
        except GgufInvalid:
            projector = None  # named like one
    return Brought(files[wanted.variant.files[0]], header, wanted.variant, projector, draft)


def label_for(address: Address, wanted: Wanted) -> str:
    """Makes a name for a model that nobody has named: its repository's, else its file's, in small letters."""
    name = address.where.rpartition("/")[2] if address.kind != "url" else wanted.variant.files[0].name
    name = SUFFIX.sub("", name)
    split = gguf.SplitName.of(wanted.variant.files[0].name) if address.kind == "url" else None
    return UNFIT.sub("-", split.stem if split is not None else name).strip("-._").lower() or "model"
