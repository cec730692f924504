"""Finds the user's libllama: HOSHIKAGE_LIB_PATH, the config folder's libraries, then the system's own search.

Reads names and first bytes, never loads anything. Any thread; blocking (a few directory listings).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from hoshikage.errors import LibraryMissing, LibraryUnavailable, NoLibraryTried, UsageError
from hoshikage.frozen import Frozen
from hoshikage.library import binary, fingerprint, library_state, linker_cache, names, staging

VARIABLE: Final = "HOSHIKAGE_LIB_PATH"
INSTALL_COMMAND: Final = "hoshikage lib install"
USE_COMMAND: Final = "hoshikage lib use lib"
NESTED: Final = ("bin", "lib", "lib64", "build/bin", "bins/*", "llama-*", "llama-*/bin", "llama-*/lib")
"""The library lies here in archives and builds, below the folder that a person names."""
STANDARD: Final = {
    "linux": ("/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64", "/usr/lib", "/usr/lib64"),
    "darwin": ("/opt/homebrew/lib", "/usr/local/lib", "/usr/lib"),
}
"""The dynamic linker looks into these folders without being told, by `sys.platform`."""


class LocatedLibrary(Frozen, frozen=True):
    """A LocatedLibrary is a file of a library, and where it was found."""

    file: Path
    source: str
    """`source` is `HOSHIKAGE_LIB_PATH`, `config` or `system`."""
    installed: str = ""
    """`installed` is `lib`, or the name of the library that was chosen, where `source` is `config`; else empty."""


def find(
    lib_path: Path | None,
    lib_dir: Path,
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    standard: Iterable[str] | None = None,
    linker_files: Callable[[], Iterable[Path]] | None = None,
) -> LocatedLibrary:
    """Returns the library to use. Raises LibraryUnavailable, naming every place looked at and the command that mends
    it.

    A `lib_path` that is given but unusable is an error of its own: nothing else is taken in its stead. In the
    later places a libllama that is no library file is an error too, so that a damaged installation is not
    silently replaced by another one.
    """
    if lib_path is not None:
        return LocatedLibrary(_given(lib_path, platform), VARIABLE)
    staging.tidy(lib_dir)
    file, name = configured(lib_dir, platform)
    if file is not None:
        return LocatedLibrary(checked(file, platform), "config", name)
    looked = [lib_dir]
    for folder in _search_folders(environ, platform, STANDARD.get(platform, ()) if standard is None else standard):
        looked.append(folder)
        try:
            file = in_folder(folder, platform, nested=())
        except OSError:  # a folder of the system's search that cannot be read is none of ours to mend
            continue
        if file is not None:
            return LocatedLibrary(checked(file, platform), "system")
    for file in (linker_files or (lambda: _linker_files(platform)))():
        if names.is_library(file.name, platform) and file.is_file():
            return LocatedLibrary(checked(file, platform), "system")
    raise LibraryMissing(
        "library.missing",
        looked="\n".join(f"  {folder}" for folder in dict.fromkeys(looked)),
        variable=VARIABLE,
        command=INSTALL_COMMAND,
    )


def configured(lib_dir: Path, platform: str = sys.platform) -> tuple[Path | None, str]:
    """Returns the config folder's libllama and its name. What is new in `lib` goes before the one that was chosen
    earlier. Raises LibraryUnavailable."""
    folder = lib_dir
    try:
        file = in_folder(lib_dir, platform)
        use = library_state.read(lib_dir).use
        if (
            use is None
            or use.installed == library_state.MANUAL
            or (file is not None and fingerprint.look(file) != use.lib_seen)
        ):
            if file is None:
                _refuse_folders(lib_dir, platform)
            return file, library_state.MANUAL
        folder = library_state.folder(lib_dir, use.installed)
        staging.tidy(folder)
        file = in_named(folder, use.installed, platform)
    except UsageError:
        return file, library_state.MANUAL  # no name: a damaged state says nothing
    except OSError as error:
        raise LibraryUnavailable(
            "library.folder_unreadable", path=str(folder), reason=_words(error), command=INSTALL_COMMAND
        ) from None
    if file is None:
        raise NoLibraryTried("installed.empty", name=use.installed, path=str(folder), command=USE_COMMAND)
    return file, use.installed


def _refuse_folders(folder: Path, platform: str) -> None:
    """A folder with the name of a library file is what an unpacked archive may leave; it is told by its own words."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if names.is_library(path.name, platform) and path.is_dir():
                raise LibraryUnavailable("lacks.is_folder", path=str(path), folder=str(folder))


def in_folder(folder: Path, platform: str = sys.platform, *, nested: Iterable[str] = NESTED) -> Path | None:
    """Returns the preferred libllama in `folder` or, if it holds none, below it; None where there is none.

    Raises OSError when an existing folder cannot be listed.
    """
    if not folder.is_dir():
        return None
    folders = [folder]
    for inner in nested:
        folders.extend(sorted(path for path in folder.glob(inner) if path.is_dir()))
    for candidate in folders:
        files = [path for path in candidate.iterdir() if names.is_library(path.name, platform) and path.is_file()]
        files.sort(key=lambda path: names.preference(path.name, platform))
        if files:
            return next((file for file in files if _is_sound(file, platform)), files[0])
    return None


def in_named(folder: Path, name: str, platform: str = sys.platform) -> Path | None:
    """Looks as `in_folder` does; the copy of a library that was named by its path may be called anything."""
    file = in_folder(folder, platform)
    if file is not None or not name.startswith(library_state.KEPT) or not folder.is_dir():
        return file
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and _is_sound(path, platform)]
    parts = (names.is_ggml, names.is_mtmd, names.is_companion)
    return next((path for path in paths if not any(is_part(path.name) for is_part in parts)), None)


def _is_sound(file: Path, platform: str) -> bool:
    try:
        return binary.fault(file, platform) is None
    except OSError:
        return False


def _given(path: Path, platform: str) -> Path:
    try:
        if path.is_dir():
            file = in_folder(path, platform)
            if file is None:
                _refuse_folders(path, platform)
                raise LibraryUnavailable(
                    "library.path_empty", path=str(path), variable=VARIABLE, command=INSTALL_COMMAND
                )
            return checked(file, platform)
        path.stat()
    except FileNotFoundError:
        key = "library.path_dangling" if path.is_symlink() else "library.path_missing"
        raise LibraryUnavailable(key, path=str(path), variable=VARIABLE, command=INSTALL_COMMAND) from None
    except OSError as error:
        raise LibraryUnavailable(
            "library.path_unreadable", path=str(path), variable=VARIABLE, reason=_words(error)
        ) from None
    return checked(path, platform)


def checked(file: Path, platform: str = sys.platform) -> Path:
    """Returns `file`, if its headers are those of a shared library for this system. Raises LibraryUnavailable."""
    try:
        result = binary.fault(file, platform)
    except OSError as error:
        raise LibraryUnavailable("library.file_unreadable", path=str(file), reason=_words(error)) from None
    if result is not None:
        details = {"path": str(file), **result.details, "command": INSTALL_COMMAND}
        raise LibraryUnavailable.of(result.key, details)
    return file.absolute()


def _search_folders(environ: Mapping[str, str], platform: str, standard: Iterable[str]) -> Iterator[Path]:
    """Yields the system's search path, in its order. Empty entries (they mean the working directory) are left out."""
    variables = {"win32": ("PATH",), "darwin": ("DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")}
    separators = ";" if platform == "win32" else ":;" if platform == "linux" else ":"
    for variable in variables.get(platform, ("LD_LIBRARY_PATH",)):
        for entry in re.split(f"[{separators}]", environ.get(variable, "")):
            if entry.strip():
                yield Path(entry.strip().strip('"'))
    yield from map(Path, standard)


def _linker_files(platform: str) -> list[Path]:
    return [path for name, path in linker_cache.listed(platform) if name.startswith("libllama")]


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
