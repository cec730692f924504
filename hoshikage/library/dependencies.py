"""Finds what a library set lacks, by reading the files' own dynamic sections. Any thread; blocking, loads nothing.

The reading explains a refusal or an idle GPU; it refuses nothing by itself, because the loader may know places that
stand in no file. Windows' and macOS's own libraries are found in their folders or are in no folder at all, so there
only what is known to be brought by a package is looked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from hoshikage.errors import Detail
from hoshikage.library import binary, fingerprint, linker_cache, names, packages, pip_folders
from hoshikage.library.image import BinaryImage, Damaged, Truncated

_GGML_SYMBOL: Final = re.compile(r"(ggml|gguf)_\w+")
_SHOWN: Final = 4
_MULTIARCH: Final = {"x86-64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_LINKER_DIRS: Final = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing is missing or does not fit: a text of the catalogue and its details."""

    key: str
    file: Path
    """`file` is the file of the set that suffers."""
    details: dict[str, Detail]


@dataclass(frozen=True)
class System:
    """The loader looks in these folders too, beside the set's own."""

    platform: str
    environ: Mapping[str, str]

    @cached_property
    def loaded(self) -> dict[str, Path]:
        """Gives the libraries that this interpreter has: a runner, the same program, has them too, before any search.
        But for llama.cpp's own, which only a program with the engine in its process has.
        """
        try:
            lines = Path("/proc/self/maps").read_text("utf-8", "replace").splitlines()
        except OSError:
            return {}
        paths = {line[line.index("/") :] for line in lines if ".so" in line and "/" in line}
        loaded = {Path(path).name: Path(path) for path in sorted(paths)}
        return {name: path for name, path in loaded.items() if not self._is_llamas(name)}

    def _is_llamas(self, name: str) -> bool:
        return names.is_ggml(name) or names.is_library(name, self.platform)

    @cached_property
    def cache(self) -> dict[str, Path]:
        """Gives the dynamic linker's cache, the first entry of a name first; empty where there is none."""
        result: dict[str, Path] = {}
        for name, path in linker_cache.listed(self.platform):
            result.setdefault(name, path)
        return result

    def folders(self, image: BinaryImage) -> Iterator[Path]:
        """Yields the environment's folders first, and those of the system after the file's own."""
        if self.platform == "win32":
            yield from _paths(self.environ.get("PATH", ""), ";")
            return
        variable = "DYLD_LIBRARY_PATH" if self.platform == "darwin" else "LD_LIBRARY_PATH"
        yield from _paths(self.environ.get(variable, ""), ":")
        yield from pip_folders.of_nvidia()
        if self.platform == "linux":
            triple = _MULTIARCH.get(image.machines[0], "")
            yield from (Path(base) / triple for base in ("/lib", "/usr/lib") if triple)
            yield from map(Path, _LINKER_DIRS)


def survey(file: Path, environ: Mapping[str, str], platform: str = sys.platform) -> tuple[Lack, ...]:
    """Returns what libllama at `file`, libggml and libmtmd beside it lack, the gravest first. Raises OSError."""
    system = System(platform, environ)
    members = {path.absolute(): None for path in fingerprint.members(file)}
    images: dict[Path, BinaryImage] = {}
    lacks: list[Lack] = []
    for path in members:
        fault = binary.fault(path, platform)
        if fault is not None:
            command = "hoshikage lib install"
            lacks.append(_lack(fault.key, path, path=str(path), command=command, **fault.details))
            continue
        try:
            images[path] = binary.read(path)
        except (Damaged, Truncated) as damage:
            lacks.append(_lack("lacks.part_damaged", path, path=str(path), reason=str(damage)))
    for path, image in images.items():
        lacks += _needs(path, image, images, system)
    main = file.absolute()
    if main in images and not any(lack.file == main for lack in lacks):
        lacks += _strangers(main, images)
    lacks.sort(key=lambda lack: (lack.file != main, names.is_mtmd(lack.file.name), _backend(lack.file)))
    first = {(lack.key, lack.details.get("needs", lack.file)): lack for lack in reversed(lacks)}
    return tuple(lack for lack in lacks if lack in first.values())


def _needs(path: Path, image: BinaryImage, images: Mapping[Path, BinaryImage], system: System) -> Iterator[Lack]:
    for name in image.needed:
        resolved = _resolve(name, path, image, images, system)
        if resolved is None:
            if _is_looked_for(name, system.platform):
                yield _missing(name, path, images, system)
            continue
        wanted = image.versions_needed.get(name, ())
        have = _versions(resolved) if wanted else ()
        lacking = [version for version in wanted if have and version not in have]
        if lacking:
            kin = [version for version in have if version.split("_")[0] == lacking[-1].split("_")[0]]
            yield _lack(
                "lacks.needs_version",
                path,
                path=str(path),
                needs=name,
                version=max(lacking, key=_numbers),
                have=max(kin, key=_numbers, default="-"),
                package=packages.bringer(name, system.platform) or name,
            )


def _missing(name: str, path: Path, images: Mapping[Path, BinaryImage], system: System) -> Lack:
    plain = name.replace("\\", "/").rpartition("/")[2]
    if names.is_ggml(plain) or names.is_library(plain, system.platform):
        stem = re.split(r"[.]", plain)[0]
        others = sorted(other.name for other in images if re.split(r"[.]", other.name)[0] == stem and other != path)
        if others:
            present = ", ".join(others)
            return _lack("lacks.needs_same_release", path, path=str(path), needs=plain, present=present)
        return _lack("lacks.needs_part", path, path=str(path), needs=plain, folder=str(path.parent))
    if packages.is_driver(plain):
        package = packages.bringer(plain, system.platform)
        return _lack("lacks.needs_driver", path, path=str(path), needs=plain, package=package)
    package = packages.bringer(plain, system.platform)
    key = "lacks.needs_package" if package else "lacks.needs_unknown"
    return _lack(key, path, path=str(path), needs=plain, package=package)


def _strangers(main: Path, images: Mapping[Path, BinaryImage]) -> Iterator[Lack]:
    """libllama wants ggml functions that the libggml files beside it do not have: they are of another release."""
    parts = [path for path in images if path != main and not names.is_mtmd(path.name) and not _backend(path)]
    if not parts:
        return
    try:
        wanted = {name for name in binary.symbols(main).undefined if _GGML_SYMBOL.fullmatch(name)}
        offered = set[str]().union(*(binary.symbols(path).defined for path in parts))
    except (Damaged, OSError):
        return
    lacking = sorted(wanted - offered)
    if lacking:
        shown = ", ".join(lacking[:_SHOWN]) + (f", … ({len(lacking)})" if len(lacking) > _SHOWN else "")
        present = ", ".join(sorted(path.name for path in parts))
        yield _lack("lacks.needs_functions", main, path=str(main), names=shown, present=present)


def _resolve(
    name: str, path: Path, image: BinaryImage, images: Mapping[Path, BinaryImage], system: System
) -> Path | None:
    """Returns the file that the loader would take. A ggml file beside is opened first by Hoshikage and found by its
    name."""
    plain = name.replace("\\", "/").rpartition("/")[2]
    fold = str.lower if system.platform == "win32" else str
    for other, its in images.items():
        if plain in (other.name, its.name) or fold(other.name) == fold(plain):
            return other
    if "/" in name and not name.startswith("@") and Path(name).exists():
        return Path(name)
    if plain in system.loaded:
        return system.loaded[plain]
    folders = [Path(_origin(entry, path)) for entry in image.search]
    for folder in (path.parent, path.resolve().parent, *folders, *system.folders(image)):
        if (folder / plain).is_file():
            return folder / plain
    return system.cache.get(plain)


def _is_looked_for(name: str, platform: str) -> bool:
    """Returns whether a file that is not found is really missing: other systems keep their own libraries out of
    sight."""
    plain = name.replace("\\", "/").rpartition("/")[2]
    if plain.lower().startswith(("api-ms-", "ext-ms-")):
        return False  # Windows resolves these without files
    ours = names.is_ggml(plain) or names.is_library(plain, platform)
    return platform == "linux" or ours or name.startswith("@") or bool(packages.bringer(plain, platform))


def _versions(file: Path) -> tuple[str, ...]:
    try:
        return binary.read(file).versions_defined
    except (Damaged, OSError):
        return ()


def _backend(path: Path) -> bool:
    """Returns whether the file is a backend, as libggml-cuda or libggml-cpu-haswell, which is opened later and by
    itself: the set can do without."""
    return names.is_ggml(path.name) and re.match(r"(lib)?ggml-(?!base)", path.name, re.I) is not None


def _origin(entry: str, path: Path) -> str:
    folder = str(path.resolve().parent)
    return re.sub(r"\$\{?ORIGIN\}?|@loader_path|@executable_path", lambda _: folder, entry)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _paths(variable: str, separator: str) -> Iterable[Path]:
    return [Path(entry.strip().strip('"')) for entry in variable.split(separator) if entry.strip()]


def _lack(key: str, file: Path, /, **details: Detail) -> Lack:
    return Lack(key, file, details)
