"""This is a host whose faults the test brings about: a runner that crashes at a chosen moment cannot be had
otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hoshikage import wire
from hoshikage.dispatch.host import Exit
from hoshikage.errors import HoshikageError, ModelLoadFailed
from hoshikage.gguf import GgufHeader
from hoshikage.infos import LibraryInfo, ModelInfo, Timings
from hoshikage.library.library_state import Fallback
from hoshikage.library.selection import SelectedLibrary
from hoshikage.params import LoadParams

LIBRARY = LibraryInfo("libllama.so", "mdl-J", "ctx-I", "v0.5.0", "", ())
MODEL = ModelInfo("llama", 1, 1, 1024, 1024, 300, "model", 1.0)
TIMINGS = Timings(1.0, 1.0, 1.0)


class FakeHost:
    """Answers a load by itself unless `hold_load`; jobs are answered by the test."""

    pid = 0

    def __init__(self, house: FakeHouse, on_event: Callable[[wire.Event], None], on_exit: Callable[[Exit], None]):
        self._house = house
        self.emit = on_event
        self._on_exit = on_exit
        self.commands: list[wire.Command] = []
        self.generates: asyncio.Queue[wire.Generate] = asyncio.Queue()
        self.stopped = False
        self.gone = asyncio.Event()
        self.loading = asyncio.Event()

    async def start(self) -> None:
        self.emit(wire.Ready(LIBRARY))

    def send(self, command: wire.Command) -> None:
        self.commands.append(command)
        if isinstance(command, wire.Load):
            self._house.loads.append(command.params.model_path)
            self._house.load_began.set()
            self.loading.set()
            if not self._house.hold_load:
                self.finish_load()
        elif isinstance(command, wire.Generate):
            self.generates.put_nowait(command)
        elif isinstance(command, wire.Perform):
            self.emit(wire.Finished(command.job, "stop", 7, 0, TIMINGS))

    def finish_load(self) -> None:
        self.emit(wire.Loaded(self._house.model))

    def crash(self, reason: str = "SIGSEGV") -> None:
        self._on_exit(Exit(reason, ("ggml said something",)))

    def kill(self, reason: str) -> None:
        self.crash(reason)

    async def stop(self) -> None:
        self.stopped = True
        self.gone.set()

    async def answer(self, *texts: str, end: bool = True) -> int:
        """Takes the next job and answers it; returns its number."""
        job = (await self.generates.get()).job
        self.emit(wire.Started(job, 3))
        for count, text in enumerate(texts, start=1):
            self.emit(wire.Token(job, text, count))
        if end:
            self.emit(wire.Finished(job, "stop", 3, len(texts) + 1, TIMINGS))
        return job


class FakeHouse:
    """Makes the hosts and keeps them in order."""

    def __init__(self) -> None:
        self.hosts: list[FakeHost] = []
        self.loads: list[str] = []
        self.hold_load = False
        self.model = MODEL
        """This is what a runner says of the model that it has loaded."""
        self.load_began = asyncio.Event()
        self._made = asyncio.Event()

    def __call__(
        self, library: Path, on_event: Callable[[wire.Event], None], on_exit: Callable[[Exit], None]
    ) -> FakeHost:
        host = FakeHost(self, on_event, on_exit)
        self.hosts.append(host)
        self._made.set()
        return host

    async def host(self, number: int) -> FakeHost:
        """Returns the host of that number, once it is made."""
        while len(self.hosts) <= number:
            self._made.clear()
            await self._made.wait()
        return self.hosts[number]


def choice(name: str) -> SelectedLibrary:
    file = Path(f"{name}.so")
    return SelectedLibrary(file, file, "config", name, name, name, ())


class FakeLibraries:
    """One library is in use, perhaps one worked before, perhaps there is an error instead."""

    def __init__(self, current: str = "library 1", former: str | None = None) -> None:
        self.name = current
        self.former = former
        self.error: HoshikageError | None = None
        self.good: list[str] = []
        self.fallen: list[tuple[str | None, str, str]] = []
        self.headers: dict[str, GgufHeader] = {}
        """These stand by the name of the model's file."""

    def current(self, params: LoadParams) -> SelectedLibrary:
        if self.error is not None:
            raise self.error
        return choice(self.name)

    def completed(self, params: LoadParams) -> LoadParams:
        return params

    def header(self, params: LoadParams) -> GgufHeader:
        name = Path(params.model_path).name
        if name not in self.headers:
            raise ModelLoadFailed("model.gguf_no_magic", file=name)
        return self.headers[name]

    def likely(self) -> SelectedLibrary | None:
        if self.error is not None:
            raise self.error
        return choice(self.name)

    def alternative(self, failed: SelectedLibrary | None, error: HoshikageError) -> SelectedLibrary | None:
        return choice(self.former) if self.former is not None else None

    def loaded(self, loaded: SelectedLibrary) -> None:
        self.good.append(loaded.release)

    def taken_back(self, failed: SelectedLibrary | None, former: SelectedLibrary, error: HoshikageError) -> Fallback:
        self.fallen.append((failed.release if failed is not None else None, former.release, error.key))
        return Fallback("new", "new", "new.so", error.key, {}, "2026-01-01", former.fingerprint, former.release)

    def fallback(self) -> Fallback | None:
        return None
