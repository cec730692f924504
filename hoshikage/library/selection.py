"""Decides which library a load takes, which instead, and what is remembered of how it went. Any thread; blocking.

A load goes: `current`, the load itself, then `loaded`. Where the first load with a new library fails, `alternative`
gives the one that worked last; if that loads the same model, the new one was at fault: `taken_back`. If it does not,
the model was, and the first error stands. Nothing here keeps state but the files of `library_state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from hoshikage.errors import GpuNotSeen, HoshikageError, LibraryUnavailable, LoadNotTried, NoLibraryTried
from hoshikage.frozen import Frozen
from hoshikage.infos import DeviceInfo
from hoshikage.library import contents, fingerprint, library_state, locate, store
from hoshikage.library.check_report import CheckReport, check
from hoshikage.library.demo import DemoModel
from hoshikage.library.library_state import Fallback, LastGood, Selected

GPU_KINDS: Final = ("gpu", "igpu")
_NOTHING_TRIED: Final = (NoLibraryTried, LoadNotTried)
"""No new library is at fault in these refusals."""


class SelectedLibrary(Frozen, frozen=True):
    """A SelectedLibrary is a library that has been judged."""

    file: Path
    """`file` is what the runner loads, which may be a copy."""
    found: Path
    """`found` is the path that people know it by."""
    source: str
    """`source` says where the library was found, as in `locate.LocatedLibrary`."""
    installed: str
    fingerprint: str
    release: str
    devices: tuple[DeviceInfo, ...]

    @property
    def name(self) -> str:
        """Names the release with what computes: `v0.5.0+cuda`."""
        gpu = next((device.name for device in self.devices if device.kind in GPU_KINDS), "CPU")
        return f"{self.release}+{gpu.rstrip('0123456789').lower()}"


class Selection(Frozen, frozen=True):
    """A Selection chooses the library for a load, and remembers how the load went."""

    lib_path: Path | None
    lib_dir: Path
    cache_dir: Path
    environ: Mapping[str, str]
    demo: DemoModel | None
    timeout_s: float = 60
    calibrate: bool = False
    """`calibrate` tells whether a library of an unknown release may be calibrated: LIBRARY_CALIBRATION."""

    def current(self, *, require_gpu: bool = False) -> SelectedLibrary:
        """Returns the library for a load that begins now. Raises LibraryUnavailable; Unavailable for want of a GPU."""
        result = locate.find(self.lib_path, self.lib_dir, self.environ)
        choice = self._judged(result.file, result.source, result.installed, require_gpu=require_gpu)
        if result.source == "system":
            return choice  # root's folders: nobody copies over them while a program runs
        file = store.copied(result.file, choice.fingerprint, self.lib_dir, self.cache_dir, self.environ)
        return replace(choice, file=file)

    def alternative(self, failed: SelectedLibrary | None, error: HoshikageError) -> SelectedLibrary | None:
        """Returns the library that worked last, where a new one has failed to load a model for the first time; else
        None.

        `failed` is None where `current` raised. A library that HOSHIKAGE_LIB_PATH names is never passed over.
        """
        if self.lib_path is not None or isinstance(error, _NOTHING_TRIED):
            return None
        if failed is None and not isinstance(error, (LibraryUnavailable, GpuNotSeen)):
            return None
        if failed is not None and failed.source != "config":
            return None
        tried = failed.fingerprint if failed is not None else self._present()
        if library_state.read(self.lib_dir).is_good(tried):
            return None
        with suppress(LibraryUnavailable, OSError):
            former = store.previous(self.lib_dir, self.cache_dir, tried)
            if former is not None and former[1].file is not None:
                return replace(self._judged(former[1].file, "config", former[1].name), release=former[0].release)
        return None

    def loaded(self, choice: SelectedLibrary) -> None:
        """Remembers that this library has loaded a model. Where that cannot be written it is forgotten."""
        if choice.source != "config":
            if choice.source == locate.VARIABLE:  # it has a copy like the others
                store.prune(self.lib_dir, choice.fingerprint)
            return
        good = LastGood(choice.fingerprint, choice.installed, choice.release, library_state.now())
        with suppress(OSError):
            library_state.change(self.lib_dir, lambda state: state.with_good(good))
            store.prune(self.lib_dir, choice.fingerprint)

    def taken_back(self, failed: SelectedLibrary | None, choice: SelectedLibrary, error: HoshikageError) -> Fallback:
        """Makes `choice` the library in use, and writes down why. What cannot be written is forgotten."""
        result, name = (failed.found, failed.installed) if failed is not None else self._tried()
        fallen = Fallback(
            installed=name,
            release=failed.release if failed is not None else _release(result),
            file=str(result or ""),
            key=error.key,
            details=dict(error.details),
            at=library_state.now(),
            to=choice.fingerprint,
            to_release=choice.release,
        )
        use = Selected(choice.installed, store.hand_look(self.lib_dir))
        good = LastGood(choice.fingerprint, choice.installed, choice.release, library_state.now())
        with suppress(OSError):
            library_state.change(self.lib_dir, lambda state: replace(state.with_good(good), use=use, fallen=fallen))
        return fallen

    def fallback(self) -> Fallback | None:
        """Returns what was taken back; None where the chosen library is the one in use."""
        return library_state.read(self.lib_dir).fallen if self.lib_path is None else None

    def _judged(self, file: Path, source: str, installed: str, *, require_gpu: bool = False) -> SelectedLibrary:
        judged = partial(
            check,
            file,
            cache_dir=self.cache_dir,
            demo=self.demo,
            timeout_s=self.timeout_s,
            environ=self.environ,
            calibrate=self.calibrate,
        )
        verdict = judged()
        verdict.require()
        if require_gpu and not sees_gpu(verdict):
            if verdict.cached:  # the driver may have come since
                verdict = judged(fresh=True)
                verdict.require()
            if not sees_gpu(verdict):
                raise why_no_gpu(verdict, self.environ)
        release = contents.release(file.parent, file) or verdict.version
        return SelectedLibrary(file, file, source, installed, verdict.fingerprint, release, verdict.devices)

    def _tried(self) -> tuple[Path | None, str]:
        """Returns file and name of the library at fault where `current` raised before they were judged."""
        try:
            return locate.configured(self.lib_dir)
        except HoshikageError:
            return None, library_state.MANUAL

    def _present(self) -> str:
        """Returns the fingerprint of that file; empty where there is none."""
        file, _name = self._tried()
        try:
            return fingerprint.of_set(file, self.cache_dir) if file is not None else ""
        except OSError:
            return ""


def sees_gpu(verdict: CheckReport) -> bool:
    return any(device.kind in GPU_KINDS for device in verdict.devices)


def why_no_gpu(verdict: CheckReport, environ: Mapping[str, str]) -> GpuNotSeen:
    """Says why a good library computes on the CPU, as an error."""
    path = str(verdict.file)
    made_for = [name for name in contents.backends(verdict.file.parent) if name in contents.GPU_BACKENDS]
    if not made_for:
        return GpuNotSeen("lacks.gpu_not_built", path=path)
    from hoshikage.library import dependencies  # only here: nobody asks where a GPU is seen

    for lack in dependencies.survey(verdict.file, environ):
        if any(name in lack.file.name for name in made_for):
            return GpuNotSeen.of(lack.key, lack.details)
    return GpuNotSeen("lacks.gpu_not_seen", path=path, backends=", ".join(made_for))


def _release(file: Path | None) -> str:
    return (contents.release(file.parent, file) if file is not None else None) or "?"
