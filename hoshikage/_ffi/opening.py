"""Opens the files of a libllama build with the system's loader. Any thread; nothing is bound or called here."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hoshikage.errors import LibraryUnavailable, LibraryUnloadable

GGML_FILE: Final = re.compile(r"(lib)?ggml(-base)?([._].*)?\.(so|dylib|dll)([.]\d+)*", re.IGNORECASE)
"""Files of ggml have such names as libggml.so, libggml-base.so.0, libggml.b8390.so, ggml.dll; not the backends
(libggml-cpu-haswell.so)."""


class Files:
    """This is libllama with the ggml files that it stands on. A symbol is looked up in each, libllama first."""

    def __init__(self, path: Path) -> None:
        """Opens `path`. Raises LibraryUnavailable with the loader's words."""
        if not path.is_file():
            raise LibraryUnavailable("library.missing_file", file=str(path))
        self.path = path
        self._ggml: list[ctypes.CDLL] = []
        if sys.platform == "win32":
            self._directory = os.add_dll_directory(str(path.parent))
            self._ggml = self._open_ggml()
        try:
            self._llama = open_library(path)
        except OSError as first:
            # b3889 and b3995 look for libggml where they were built. Loaded before, it is found by its SONAME.
            self._ggml = self._ggml or self._open_ggml()
            try:
                self._llama = open_library(path)
            except OSError:
                raise LibraryUnloadable("library.unloadable", file=str(path), reason=str(first)) from None

    def find(self, name: str) -> Callable[..., Any] | None:
        """Returns the function of that name, or None. dlsym also searches what libllama depends on; Windows does
        not."""
        result = (function_of(handle, name) for handle in (self._llama, *self._ggml))
        return next((function for function in result if function is not None), None)

    def neighbours(self, name: str) -> list[Path]:
        """Lists the files of the library `name` in libllama's folder and the one behind its link, the likeliest first:
        the one that is named as libllama is, then the plainest name.
        """
        pattern = re.compile(rf"(?:lib)?{name}(?:[-.].+)?\.(?:so(?:\.\d+)*|dylib|dll)", re.IGNORECASE)
        like = self.path.name.replace("llama", name, 1)
        folders = dict.fromkeys((self.path.parent, self.path.resolve().parent))
        files = [file for folder in folders for file in folder.iterdir() if pattern.fullmatch(file.name)]
        return sorted(files, key=lambda file: (file.name != like, len(file.name), str(file)))

    def _open_ggml(self) -> list[ctypes.CDLL]:
        """Opens the ggml files beside libllama, in whatever order they can be opened in."""
        waiting = [path for path in sorted(self.path.parent.iterdir()) if GGML_FILE.fullmatch(path.name)]
        opened: list[ctypes.CDLL] = []
        while waiting:
            handles = {path: _open_or_none(path) for path in waiting}
            opened += [handle for handle in handles.values() if handle is not None]
            failed = [path for path, handle in handles.items() if handle is None]
            if len(failed) == len(waiting):
                break
            waiting = failed
        return opened


def open_library(path: Path) -> ctypes.CDLL:
    """Raises OSError with the loader's words."""
    # An absolute path: a bare name would be searched for, and could be another library of that name.
    return ctypes.CDLL(str(path.absolute()))


def _open_or_none(path: Path) -> ctypes.CDLL | None:
    try:
        return open_library(path)
    except OSError:
        return None


def address_of(function: Callable[..., Any] | None) -> int | None:
    """Returns where a function lies in memory; None for no function."""
    return ctypes.cast(function, ctypes.c_void_p).value if function is not None else None  # type: ignore[arg-type]


def function_of(handle: ctypes.CDLL, name: str) -> Callable[..., Any] | None:
    """Returns the function of that name, or None."""
    try:
        # Indexing makes a new function object each time, so that no two rows share its argument types.
        return handle[name]
    except AttributeError:
        return None
