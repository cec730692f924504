"""Does one load, from the choice of its library to the model in memory; and the way back from a library that fails.
Event loop only."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hoshikage import wire
from hoshikage.dispatch.copier import Copier
from hoshikage.dispatch.host import Exit, HostFactory
from hoshikage.dispatch.libraries import Libraries
from hoshikage.dispatch.runner import Runner
from hoshikage.dispatch.standby import StandbyRunner
from hoshikage.dispatch.tuned import applied
from hoshikage.errors import HoshikageError, LoadNotTried, ModelCrashed
from hoshikage.frozen import Frozen
from hoshikage.messages import Language, describe, text
from hoshikage.params import LoadParams
from hoshikage.registry.tuned import Tuned

if TYPE_CHECKING:
    from hoshikage.dispatch.kv_store import KvStore
    from hoshikage.library.selection import SelectedLibrary

logger = logging.getLogger("hoshikage.dispatch")


class WantedLoad(Frozen, frozen=True, eq=False):
    """This is what a load is of. Two that are equal need no new load."""

    label: str
    """`label` is the name that was asked for. It is not compared: two names of one file with the same settings are one
    model."""
    params: LoadParams
    file_state: tuple[int, int, int]
    """`file_state` is the identity of the model file: (inode, size, mtime in ns)."""
    tuned: Tuned | None = None
    """`tuned` was chosen by measuring; it holds for one library."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WantedLoad) and self._compared == other._compared

    def __ne__(self, other: object) -> bool:
        return not self == other  # what a Struct has of its own would compare identities

    def __hash__(self) -> int:
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[LoadParams, tuple[int, int, int], Tuned | None]:
        return self.params, self.file_state, self.tuned


class LoadOwner(Protocol):
    """A LoadOwner is told what becomes of a load, and owns its runner."""

    def adopt(self, runner: Runner, choice: SelectedLibrary) -> None:
        """Takes over the runner, which is still empty."""

    def drop(self, runner: Runner) -> None:
        """Gives up the runner, which could not load the model and is being ended."""

    def show(self, progress: wire.Loading) -> None: ...

    def gone(self, gone: Exit) -> None:
        """Is told that the runner ended by itself."""


class Loader:
    """Makes runners with a model loaded."""

    def __init__(
        self,
        libraries: Libraries,
        make_host: HostFactory,
        standby: StandbyRunner,
        copier: Copier | None,
        watchdog: float,
        language: Language,
        store: KvStore | None = None,
    ) -> None:
        """`libraries` is asked in a thread: it may block. No `copier`: every load is from the disk. `store`: where
        sequences outlive runners."""
        self._libraries = libraries
        self._make_host = make_host
        self._standby = standby
        self._copier = copier
        self._watchdog = watchdog
        self._language = language
        self._store = store

    async def load(self, wanted: WantedLoad, owner: LoadOwner) -> Runner:
        """Raises HoshikageError. Where the first load with a new library fails, the one that worked last is tried."""
        choice: SelectedLibrary | None = None
        try:
            choice = await asyncio.to_thread(self._libraries.current, wanted.params)
            runner = await self._load_with(choice, wanted, owner)
        except HoshikageError as error:
            return await self._load_with_former(choice, wanted, owner, error)
        await asyncio.to_thread(self._libraries.loaded, choice)
        return self._done(runner, wanted)

    async def _load_with(self, choice: SelectedLibrary, wanted: WantedLoad, owner: LoadOwner) -> Runner:
        known = wanted.params
        if wanted.tuned is not None:
            known = await asyncio.to_thread(applied, known, wanted.tuned, choice)
        params = self._libraries.completed(known)
        if self._copier is not None:
            params = replace(params, model_path=str(await self._copier.find(Path(params.model_path))))
        while True:
            trial = _Trial(owner)
            try:
                return await self._load_once(choice, params, known, wanted.label, owner, trial)
            except ModelCrashed:
                if not trial.layers:
                    raise
                logger.warning(
                    text(self._language, "dispatch.log_fewer_layers", label=wanted.label, layers=trial.layers)
                )
                params = replace(params, fewer_layers_than=trial.layers)

    async def _load_once(
        self,
        choice: SelectedLibrary,
        params: LoadParams,
        known: LoadParams,
        label: str,
        owner: LoadOwner,
        trial: _Trial,
    ) -> Runner:
        """`known` are the parameters with the file that people know, of which `params` may have a copy."""
        ahead = await self._standby.take(choice)

        def loaded(share: float) -> None:
            owner.show(wire.Loading(share))

        if ahead is None:
            runner = Runner(self._make_host, choice.file, self._watchdog, loaded, trial.gone)
        else:
            runner = ahead
            runner.adopt(loaded, trial.gone)
        trial.runner = runner
        owner.adopt(runner, choice)
        try:
            if ahead is None:
                await runner.start()
            store = self._store
            shelf = None if store is None else await store.shelf(choice, known, label)
            await runner.load(params, shelf)
        except BaseException as error:
            owner.drop(runner)
            await runner.stop(LoadNotTried("dispatch.load_called_off", label=label, retry_after=1))
            if isinstance(error, OSError):
                raise LoadNotTried("dispatch.no_process", reason=error.strerror or type(error).__name__) from error
            if isinstance(error, HoshikageError):
                name_the_file(error, params.model_path, known.model_path)
            raise
        return runner

    async def _load_with_former(
        self, failed: SelectedLibrary | None, wanted: WantedLoad, owner: LoadOwner, error: HoshikageError
    ) -> Runner:
        """Raises `error` where no library worked before, or where that one fails too: then the model is at fault."""
        former = await asyncio.to_thread(self._libraries.alternative, failed, error)
        if former is None:
            raise error
        try:
            runner = await self._load_with(former, wanted, owner)
        except HoshikageError:
            raise error from None
        fallen = await asyncio.to_thread(self._libraries.taken_back, failed, former, error)
        details = {"release": fallen.release, "file": fallen.file, "former": fallen.to_release, "at": fallen.at}
        reason = describe(self._language, error)
        logger.error(text(self._language, "installed.fallen", **details, reason=reason))
        return self._done(runner, wanted)

    def _done(self, runner: Runner, wanted: WantedLoad) -> Runner:
        if self._copier is not None:
            self._copier.loaded(Path(wanted.params.model_path))
        return runner


class _Trial:
    """This is one runner's load. Where N_GPU_LAYERS=auto tries a first decode, its end means fewer layers and is no
    crash of the model: libraries end the process when a graphics card has no memory left to compute with."""

    def __init__(self, owner: LoadOwner) -> None:
        self._owner = owner
        self.runner: Runner | None = None
        self.layers: int | None = None
        """`layers` is how many the GPU was tried with when the runner ended; None where it did not end so."""

    def gone(self, gone: Exit) -> None:
        runner = self.runner
        if runner is not None and runner.model is None and runner.tried_layers:
            self.layers = runner.tried_layers
        else:
            self._owner.gone(gone)


def name_the_file(error: HoshikageError, loaded: str, known: str) -> None:
    """The file that people know stands in the error, not its copy on the RAM disk."""
    for name, value in error.details.items():
        if isinstance(value, str):
            error.details[name] = value.replace(loaded, known)
