"""Chooses the files of a repository that make the model that is wanted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from hoshikage.errors import UsageError
from hoshikage.gguf import SplitName

QUANT: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_[A-Z]+)*|NVFP4|BF16|F16|FP16|F32|FP32)"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
PREFERRED: Final = (
    "Q4_K_M", "UD-Q4_K_XL", "Q4_K_XL", "MXFP4", "MXFP4_MOE", "IQ4_XS", "IQ4_NL", "Q4_K_S", "Q4_0", "Q4_1",
    "Q5_K_M", "Q5_K_S", "Q6_K", "Q8_0", "Q3_K_M", "Q3_K_L", "Q2_K", "BF16", "F16", "F32",
)  # fmt: skip
"""These are taken in this order where nobody says which: the usual trade of size for quality first."""
PROJECTORS: Final = ("F16", "FP16", "BF16", "Q8_0", "F32")
"""A projector is small: its exact forms first."""
OTHER: Final = ("imatrix", "lora", "adapter", "control-vector")
"""The names of files that are no model have one of these parts."""
MAX_NAMED: Final = 40


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A RemoteFile is one file of a repository."""

    path: str
    size: int
    sha256: str | None = None
    """What the hub says its bytes' sum is; small files have none."""

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class ModelVariant:
    """This is one model of a repository in one quantisation: its files in order."""

    quant: str
    """`quant` is what the name says, in capitals; the file's own name where it says none."""
    files: tuple[RemoteFile, ...]
    missing: tuple[str, ...] = ()
    """The repository lacks the parts of a split model in `missing`."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Contents:
    """A repository has this for us."""

    variants: tuple[ModelVariant, ...]
    projectors: tuple[RemoteFile, ...]
    drafts: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """This is to be fetched."""

    variant: ModelVariant
    projector: RemoteFile | None
    draft: RemoteFile | None

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        return (*self.variant.files, *(file for file in (self.projector, self.draft) if file is not None))


def contents(files: Iterable[RemoteFile]) -> Contents:
    """Sorts the GGUF files of a repository by what they are, smallest variant first."""
    models: dict[tuple[str, str], list[RemoteFile]] = {}
    projectors, drafts = [], []
    for file in sorted(files, key=lambda one: one.path):
        name = file.name.lower()
        if not name.endswith(".gguf") or any(part in name for part in OTHER):
            continue
        if "mmproj" in name:
            projectors.append(file)
        elif re.search(r"(?<![a-z])draft(?![a-z])", name):
            drafts.append(file)
        else:
            split = SplitName.of(file.name)
            stem = file.path if split is None else str(PurePosixPath(file.path).parent / split.stem)
            models.setdefault((stem, quant_of(file)), []).append(file)
    variants = sorted((_variant(quant, group) for (_, quant), group in models.items()), key=lambda one: one.size)
    return Contents(tuple(variants), tuple(projectors), tuple(drafts))


def choose(contents: Contents, where: str, quant: str | None, file: str | None) -> Wanted:
    """Returns the variant that was named, else the usual one, with what belongs beside it. Raises UsageError."""
    if not contents.variants:
        raise UsageError("pull.no_gguf", where=where)
    variant = _named_file(contents, where, file) if file is not None else _chosen(contents, where, quant)
    if variant.missing:
        raise UsageError("pull.parts_missing", where=where, names=", ".join(variant.missing[:MAX_NAMED]))
    drafts = [one for one in contents.drafts if one.size < variant.size]
    return Wanted(variant, _preferred(contents.projectors, PROJECTORS), _preferred(drafts, PREFERRED))


def quant_of(file: RemoteFile) -> str:
    """Returns what the name says last, or the folder where the name says nothing."""
    for part in reversed(PurePosixPath(file.path).parts):
        if names := QUANT.findall(part):
            return str(names[-1]).upper()
    split = SplitName.of(file.name)
    return file.name.removesuffix(".gguf") if split is None else split.stem


def _variant(quant: str, files: Sequence[RemoteFile]) -> ModelVariant:
    split = SplitName.of(files[0].name)
    if split is None:
        return ModelVariant(quant, tuple(files))
    here = {file.name: file for file in files}
    return ModelVariant(
        quant,
        tuple(here[name] for name in split.all() if name in here),
        tuple(name for name in split.all() if name not in here),
    )


def _named_file(contents: Contents, where: str, path: str) -> ModelVariant:
    for variant in contents.variants:
        if any(file.path == path for file in variant.files):
            return variant
    raise UsageError("pull.file_unknown", where=where, file=path)


def _chosen(contents: Contents, where: str, quant: str | None) -> ModelVariant:
    known = ", ".join(dict.fromkeys(one.quant for one in contents.variants[:MAX_NAMED]))
    if quant is not None:
        wanted = quant.upper()
        named = [one for one in contents.variants if one.quant == wanted or one.files[0].name == quant]
        named = named or [one for one in contents.variants if one.quant.removeprefix("UD-") == wanted]
        if not named:
            raise UsageError("pull.quant_unknown", where=where, quant=quant, known=known)
    else:
        ranks = {name: rank for rank, name in enumerate(PREFERRED)}
        best = min(ranks.get(one.quant, len(ranks)) for one in contents.variants)
        named = [one for one in contents.variants if ranks.get(one.quant, len(ranks)) == best]
    if len(named) > 1:  # several models in one repository
        names = ", ".join(one.files[0].path for one in named[:MAX_NAMED])
        raise UsageError("pull.several", where=where, names=names)
    return named[0]


def _preferred(files: Sequence[RemoteFile], order: Sequence[str]) -> RemoteFile | None:
    ranks = {name: rank for rank, name in enumerate(order)}
    return min(files, key=lambda one: (ranks.get(quant_of(one), len(ranks)), one.size), default=None)
