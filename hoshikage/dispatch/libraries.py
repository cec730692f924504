"""Chooses the library that a load takes, for a model file that was checked; and the way back from a new one that fails.
Any thread; blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hoshikage import gguf
from hoshikage.errors import GgufInvalid, HoshikageError, ModelLoadFailed
from hoshikage.gguf import GgufHeader
from hoshikage.params import LoadParams
from hoshikage.settings import Settings, cache_dir

if TYPE_CHECKING:
    from hoshikage.library.case import Case
    from hoshikage.library.library_state import Fallback
    from hoshikage.library.selection import SelectedLibrary, Selection


class Libraries(Protocol):
    """The lifecycle asks these questions; `library.selection` says in which order they are answered."""

    def current(self, params: LoadParams) -> SelectedLibrary:
        """Raises ModelLoadFailed, LibraryUnavailable, Unavailable."""

    def completed(self, params: LoadParams) -> LoadParams:
        """Returns `params` with what the header tells of the model; `current` was asked for them before."""

    def header(self, params: LoadParams) -> GgufHeader:
        """Returns the checked header of the model's file. Raises ModelLoadFailed."""

    def likely(self) -> SelectedLibrary | None:
        """Returns what a load would take now, whatever its model. Raises LibraryUnavailable, Unavailable."""

    def alternative(self, failed: SelectedLibrary | None, error: HoshikageError) -> SelectedLibrary | None: ...

    def loaded(self, choice: SelectedLibrary) -> None: ...

    def taken_back(
        self, failed: SelectedLibrary | None, choice: SelectedLibrary, error: HoshikageError
    ) -> Fallback: ...

    def fallback(self) -> Fallback | None: ...


class InstalledLibraries:
    """These are the libraries of this user, looked for anew at each load."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._sound: dict[Path, tuple[tuple[tuple[int, ...], ...], GgufHeader]] = {}
        """These model files were found undamaged: their state then, and their headers."""

    def current(self, params: LoadParams) -> SelectedLibrary:
        self._check(Path(params.model_path))
        if params.draft_path:
            self._check(Path(params.draft_path))
        return self._selection().current(require_gpu=params.require_gpu)

    def completed(self, params: LoadParams) -> LoadParams:
        if (known := self._sound.get(Path(params.model_path))) is None:
            return params
        header = known[1]
        whole_windows = gguf.keeps_windows(header, gguf.KvSettings.of(params))
        return replace(params, controls=header.controls, whole_windows=whole_windows)

    def header(self, params: LoadParams) -> GgufHeader:
        return self._check(Path(params.model_path))

    def likely(self) -> SelectedLibrary | None:
        return self._selection().current()

    def alternative(self, failed: SelectedLibrary | None, error: HoshikageError) -> SelectedLibrary | None:
        return self._selection().alternative(failed, error)

    def loaded(self, choice: SelectedLibrary) -> None:
        self._selection().loaded(choice)

    def taken_back(self, failed: SelectedLibrary | None, choice: SelectedLibrary, error: HoshikageError) -> Fallback:
        return self._selection().taken_back(failed, choice, error)

    def fallback(self) -> Fallback | None:
        return self._selection().fallback()

    def _check(self, path: Path) -> GgufHeader:
        """Reads the header once, until the file changes: with a large vocabulary that takes a while."""
        try:
            result = tuple(
                (state.st_ino, state.st_size, state.st_mtime_ns) for state in (file.stat() for file in gguf.files(path))
            )
        except OSError:  # the check itself says which, and why
            result = ()
        if not result or path not in self._sound or self._sound[path][0] != result:
            self._sound[path] = result, check_model(path)
        return self._sound[path][1]

    def _selection(self) -> Selection:
        from hoshikage.library import demo  # only here: a server that has loaded nothing needs none of it
        from hoshikage.library.selection import Selection

        settings = self._settings
        return Selection(
            settings.lib_path,
            settings.lib_dir,
            cache_dir(),
            self._environ,
            demo.find(),
            settings.library_timeout,
            settings.library_calibration,
        )


def case_of(settings: Settings, environ: Mapping[str, str]) -> Case:
    """Returns the libraries as people choose among them."""
    from hoshikage.library import demo
    from hoshikage.library.case import Case
    from hoshikage.library.check_report import CheckReport, check

    def judged(file: Path) -> CheckReport:
        return check(
            file,
            cache_dir=cache_dir(),
            demo=demo.find(),
            timeout_s=settings.library_timeout,
            environ=environ,
            calibrate=settings.library_calibration,
        )

    return Case(settings.lib_path, settings.lib_dir, cache_dir(), environ, judged)


def check_model(path: Path) -> GgufHeader:
    """Refuses a file that may end the library's process before the library sees it: a damaged one, or a kind of model
    that needs another way to be computed. Raises ModelLoadFailed."""
    try:
        header = gguf.read_model(path)
        gguf.require_served(path, header)
    except GgufInvalid as error:
        raise ModelLoadFailed.of(error.key, error.details, param="model") from None
    return header
