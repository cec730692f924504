"""Decides what belongs to a library set: which files are kept, what they say about themselves. Any thread; blocking.

A set is one flat folder: libllama, libmtmd, libggml and its backends, the CUDA runtime where it is brought along,
shader files, build metadata and licence texts; and `fallback/`, a second build of a backend for an older CUDA.
Programs, addons for other languages and libllama-common (which libllama does not need) are left out.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from hoshikage.errors import InstallFailed
from hoshikage.library import elf, fingerprint, locate, names, pe

METADATA: Final = "_nlcBuildMetadata.json"
FALLBACK: Final = "fallback"
GPU_BACKENDS: Final = frozenset({"cuda", "vulkan", "metal", "hip", "sycl", "musa", "cann", "opencl"})
_LICENCE: Final = re.compile(r"(?:licen[sc]e|copying|notice)(?:[-._].*)?", re.I)
_TEXT: Final = re.compile(rf"{_LICENCE.pattern}|.+\.metal(?:lib)?", re.I)
_POINTER: Final = b"version https://git-lfs"
"""Stands for a library that was not fetched, which is told when the set is tried."""
_MAGIC: Final = (
    elf.MAGIC, pe.MAGIC, b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf", _POINTER,
)  # fmt: skip
_BACKEND: Final = re.compile(r"(?:lib)?ggml-(?P<name>[a-z0-9]+)", re.I)


def wanted(platform: str) -> Callable[[str], bool]:
    """Makes the test by which a file's name earns its place in a set."""

    def keep(name: str) -> bool:
        return is_binary(name, platform) or name == METADATA or _LICENCE.fullmatch(name) is not None

    return keep


def is_binary(name: str, platform: str) -> bool:
    return names.is_library(name, platform) or any(
        is_part(name) for is_part in (names.is_ggml, names.is_mtmd, names.is_companion)
    )


def collect(sources: Iterable[Path], target: Path, platform: str, *, own: bool, origin: str) -> Path:
    """Fills the empty folder `target` with the set that is found in the folders `sources`; gives its libllama.

    Files of `own` folders are moved, those of others copied: only what is a library or a known text, and nothing that
    a link brings in from outside of the folder. The first source holds libllama; files that only the
    later ones have are added. Raises OSError, and InstallFailed when `origin` turns out to hold no libllama.
    """
    keep = wanted(platform)
    for number, source in enumerate(sources):
        library = _libllama(source, platform, own=own)
        if number == 0 and library is None:
            raise InstallFailed("library.nothing_inside", path=origin)
        home = library.parent if library else source
        within = None if own else source.resolve()
        _bring((path for path in home.iterdir() if keep(path.name)), target, within)
        for folder in fingerprint.backend_folders(home):
            _bring((path for path in folder.iterdir() if is_binary(path.name, platform)), target, within)
        seconds = [home / FALLBACK]
        if own:
            rest = sorted(path for path in source.rglob("*") if path.parent != home)
            _bring((path for path in rest if _LICENCE.fullmatch(path.name)), target)
            if library is None:  # an extension, whatever its folders are
                seconds = [path for path in rest if path.name == FALLBACK]
                binaries = (path for path in rest if is_binary(path.name, platform))
                _bring((path for path in binaries if path.parent not in seconds), target)
        for folder in seconds:
            if folder.is_dir():
                (target / FALLBACK).mkdir(exist_ok=True)
                binaries = (path for path in folder.iterdir() if is_binary(path.name, platform))
                _bring(binaries, target / FALLBACK, within)
    result = locate.in_folder(target, platform, nested=())
    if result is None:
        raise InstallFailed("library.nothing_inside", path=origin)
    return result


def release(folder: Path, library: Path) -> str | None:
    """Returns the llama.cpp release by the build metadata, else by libllama's file name or the name that its link leads
    to."""
    try:
        said = json.loads((folder / METADATA).read_text(encoding="utf-8"))["buildOptions"]["llamaCpp"]["release"]
    except (OSError, ValueError, KeyError, TypeError):
        said = None
    if isinstance(said, str) and said:
        return said
    return names.release_of(library.name) or names.release_of(library.resolve().name)


def backends(folder: Path) -> tuple[str, ...]:
    """Returns the names of the backends by their files, `cpu` first: it is in every set, in the oldest ones within
    libggml."""
    result = {"cpu"}
    for path in (path for each in (folder, *fingerprint.backend_folders(folder)) for path in each.iterdir()):
        match = _BACKEND.match(path.name) if names.is_ggml(path.name) else None
        if match and match["name"].lower() != "base":
            result.add(match["name"].lower())
    return tuple(sorted(result, key=lambda name: (name != "cpu", name)))


def _libllama(source: Path, platform: str, *, own: bool) -> Path | None:
    """Looks at the known places in a person's folder; in an unpacked archive anywhere, nearest to its root first."""
    result = locate.in_folder(source, platform)
    if result is not None or not own:
        return result
    folders = {path.parent for path in source.rglob("*") if names.is_library(path.name, platform)}
    nearest = min(folders, key=lambda folder: (len(folder.parts), folder), default=None)
    return locate.in_folder(nearest, platform, nested=()) if nearest else None


def size(file: Path) -> int:
    """Counts the bytes of the set that libllama at `file` belongs to, without links and without programs beside it."""
    return sum({path.resolve(): path.stat().st_size for path in [*members(file), *_second(file.parent)]}.values())


def members(file: Path) -> list[Path]:
    """Returns the set's files in its folders, of one name the nearest; libllama last."""
    keep = wanted(sys.platform)
    folders = fingerprint.folders(file)
    result = {path.name: path for folder in reversed(folders) for path in sorted(folder.iterdir()) if keep(path.name)}
    others = (path for path in result.values() if path.name != file.name)
    return [*(path for path in others if path.is_file() and is_genuine(path)), file]


def is_genuine(path: Path) -> bool:
    """Returns whether a regular file is what its name says: a library of some system, unless its name is that of a
    text.

    One that cannot be read passes: whoever uses it is told why.
    """
    if path.name == METADATA or _TEXT.fullmatch(path.name):
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(len(_POINTER)).startswith(_MAGIC)
    except OSError:
        return True


def copy(path: Path, place: Path) -> None:
    """Copies the content, and of the mode what others may have: nothing where they had nothing."""
    place.touch(mode=0o600)  # what is private is so from the first byte on
    shutil.copyfile(path, place)
    give_mode(path, place)


def give_mode(path: Path, place: Path) -> None:
    place.chmod(path.stat().st_mode & 0o755 | 0o600)


def _second(folder: Path) -> list[Path]:
    try:
        return [path for path in (folder / FALLBACK).iterdir() if path.is_file() and is_binary(path.name, sys.platform)]
    except OSError:
        return []


def _bring(paths: Iterable[Path], target: Path, within: Path | None = None) -> None:
    """Brings the files first, then the links among them; a name that the set already has is left as it is.

    Files are moved, but with `within`, a stranger's folder, copied. Raises InstallFailed for a link that leaves it.
    """
    files: dict[str, Path] = {}
    for path in paths:
        if within is not None and not path.resolve().is_relative_to(within):
            member = f"{path.name} -> {path.resolve()}"
            raise InstallFailed("library.unsafe_folder", path=str(within), member=member[:200])
        if path.is_file() and (within is None or is_genuine(path)):
            files.setdefault(path.name, path)
    links = {name for name, path in files.items() if path.is_symlink() and str(path.readlink()) in files}
    for name in sorted(files, key=lambda name: (name in links, name)):
        place, path = target / name, files[name]
        if place.exists():
            continue
        if name in links:
            from hoshikage.library import archive  # only here: a load reads no archive

            archive.give_name(place, target / path.resolve().name)
        elif within is None:
            path.replace(place)
        else:
            copy(path, place)
