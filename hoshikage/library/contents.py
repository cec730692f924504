"""What belongs to a library set: which files are kept, what they say about themselves. Any thread; blocking.

A set is one flat folder: libllama, libggml and its backends, the CUDA runtime where it is brought along, shader files,
build metadata and licence texts; and `fallback/`, a second build of a backend for an older CUDA. Programs, addons for
other languages and libllama-common (which libllama does not need) are left out.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from hoshikage.errors import InstallFailed
from hoshikage.library import archive, locate, names

METADATA: Final = "_nlcBuildMetadata.json"
FALLBACK: Final = "fallback"
GPU_BACKENDS: Final = frozenset({"cuda", "vulkan", "metal", "hip", "sycl", "musa", "cann", "opencl"})
_COMPANION: Final = re.compile(
    r"(?:lib)?(?:cudart|cublas|cublasLt|nvJitLink|omp)[-._0-9a-z]*\.(?:so(?:\.\d+)*|dylib|dll)|.+\.metal(?:lib)?", re.I
)
_LICENCE: Final = re.compile(r"(?:licen[sc]e|copying|notice)(?:[-._].*)?", re.I)
_CPU_BUILD: Final = re.compile(r"(?:lib)?ggml-cpu-.+", re.I)
_BACKEND: Final = re.compile(r"(?:lib)?ggml-(?P<name>[a-z0-9]+)", re.I)


def wanted(platform: str) -> Callable[[str], bool]:
    """The test by which a file's name earns its place in a set."""

    def keep(name: str) -> bool:
        return is_binary(name, platform) or name == METADATA or _LICENCE.fullmatch(name) is not None

    return keep


def is_binary(name: str, platform: str) -> bool:
    return names.is_library(name, platform) or names.is_ggml(name) or _COMPANION.fullmatch(name) is not None


def collect(sources: Iterable[Path], target: Path, platform: str, *, own: bool, origin: str) -> Path:
    """Fills the empty folder `target` with the set that is found in the folders `sources`; gives its libllama.

    Files of `own` folders are moved, those of others copied. The first source holds libllama; files that only the
    later ones have are added. Raises OSError, and InstallFailed when `origin` turns out to hold no libllama.
    """
    keep = wanted(platform)
    for number, source in enumerate(sources):
        library = _libllama(source, platform, own=own)
        if number == 0 and library is None:
            raise InstallFailed("library.nothing_inside", path=origin)
        home = library.parent if library else source
        _bring((path for path in home.iterdir() if keep(path.name)), target, own=own)
        seconds = [home / FALLBACK]
        if own:
            rest = sorted(path for path in source.rglob("*") if path.parent != home)
            _bring((path for path in rest if _LICENCE.fullmatch(path.name)), target, own=True)
            if library is None:  # an extension, whatever its folders are
                seconds = [path for path in rest if path.name == FALLBACK]
                binaries = (path for path in rest if is_binary(path.name, platform))
                _bring((path for path in binaries if path.parent not in seconds), target, own=True)
        for folder in seconds:
            if folder.is_dir():
                (target / FALLBACK).mkdir(exist_ok=True)
                _bring(
                    (path for path in folder.iterdir() if is_binary(path.name, platform)), target / FALLBACK, own=own
                )
    found = locate.in_folder(target, platform, nested=())
    if found is None:
        raise InstallFailed("library.nothing_inside", path=origin)
    return found


def release(folder: Path, library: Path) -> str | None:
    """The llama.cpp release by the build metadata, else by libllama's file name or the name that its link leads to."""
    try:
        said = json.loads((folder / METADATA).read_text(encoding="utf-8"))["buildOptions"]["llamaCpp"]["release"]
    except (OSError, ValueError, KeyError, TypeError):
        said = None
    if isinstance(said, str) and said:
        return said
    return names.release_of(library.name) or names.release_of(library.resolve().name)


def backends(folder: Path) -> tuple[str, ...]:
    """Names of the backends by their files, `cpu` first: it is in every set, in the oldest ones within libggml."""
    found = {"cpu"}
    for path in folder.iterdir():
        match = _BACKEND.match(path.name) if names.is_ggml(path.name) else None
        if match and match["name"].lower() != "base":
            found.add(match["name"].lower())
    return tuple(sorted(found, key=lambda name: (name != "cpu", name)))


def _libllama(source: Path, platform: str, *, own: bool) -> Path | None:
    """In a person's folder at the known places; in an unpacked archive anywhere, the nearest to its root first."""
    found = locate.in_folder(source, platform)
    if found is not None or not own:
        return found
    folders = {path.parent for path in source.rglob("*") if names.is_library(path.name, platform)}
    nearest = min(folders, key=lambda folder: (len(folder.parts), folder), default=None)
    return locate.in_folder(nearest, platform, nested=()) if nearest else None


def _bring(paths: Iterable[Path], target: Path, *, own: bool) -> None:
    """Files first, then the links among them; a name that the set already has is left as it is."""
    files: dict[str, Path] = {}
    for path in paths:
        if path.is_file():
            files.setdefault(path.name, path)
    links = {name for name, path in files.items() if path.is_symlink() and str(path.readlink()) in files}
    for name in sorted(files, key=lambda name: (name in links, name)):
        place, path = target / name, files[name]
        if place.exists():
            continue
        if name in links:
            archive.give_name(place, target / path.resolve().name)
        elif own:
            path.replace(place)
        else:
            shutil.copyfile(path, place)
