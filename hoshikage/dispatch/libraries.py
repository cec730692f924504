"""Which library a load takes, for a model file that was checked; and the way back from a new one that fails. Any
thread; blocking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hoshikage import gguf
from hoshikage.errors import GgufInvalid, HoshikageError, ModelLoadFailed
from hoshikage.params import LoadParams
from hoshikage.settings import Settings, cache_dir

if TYPE_CHECKING:
    from hoshikage.library.selection import Choice, Selection
    from hoshikage.library.slots import Fallen


class Libraries(Protocol):
    """What the lifecycle asks; `library.selection` says in which order."""

    def current(self, params: LoadParams) -> Choice:
        """Raises ModelLoadFailed, LibraryUnavailable, Unavailable."""

    def alternative(self, failed: Choice | None, error: HoshikageError) -> Choice | None: ...

    def loaded(self, choice: Choice) -> None: ...

    def taken_back(self, failed: Choice | None, choice: Choice, error: HoshikageError) -> Fallen: ...

    def status(self) -> dict[str, Any] | None: ...


class InstalledLibraries:
    """The libraries of this user, looked for anew at each load."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ

    def current(self, params: LoadParams) -> Choice:
        check_model(Path(params.model_path))
        return self._selection().current(require_gpu=params.require_gpu)

    def alternative(self, failed: Choice | None, error: HoshikageError) -> Choice | None:
        return self._selection().alternative(failed, error)

    def loaded(self, choice: Choice) -> None:
        self._selection().loaded(choice)

    def taken_back(self, failed: Choice | None, choice: Choice, error: HoshikageError) -> Fallen:
        return self._selection().taken_back(failed, choice, error)

    def status(self) -> dict[str, Any] | None:
        return self._selection().status()

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


def check_model(path: Path) -> None:
    """Refuses a damaged file before the library, which may crash on it, sees it. Raises ModelLoadFailed."""
    try:
        gguf.read_model(path)
    except GgufInvalid as error:
        raise ModelLoadFailed.of(error.key, error.details, param="model") from None
