"""Runs the command line as a person does, in an empty home, and a real server whose answers are known."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hoshikage import wire
from hoshikage.cli.main import main
from hoshikage.dispatch.client import Note
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import DispatcherStatus, RunnerStatus
from hoshikage.dispatch.wanted import load_key
from hoshikage.errors import InferenceFailed, QueueFull
from hoshikage.http import listeners
from hoshikage.http.keys import TLS
from hoshikage.infos import Timings
from hoshikage.params import GenerationRequest, Work
from hoshikage.protocols import app
from hoshikage.protocols.hoshikage.insight import Insight
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings, config_dir, load
from tests.gguf_files import Gguf
from tests.stand_in import StandIn

START_S = 20
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal has room for a test's path, which is long and looked for as it stands."""
    monkeypatch.setenv("COLUMNS", "240")


@pytest.fixture
def work(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes an empty home, and a working folder to be in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # children run elsewhere, and the package may not be installed
    return folder


@pytest.fixture
def cli(work: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs one command in this process."""

    def run(*arguments: str | Path) -> Ran:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Ran(status, out, err)

    return run


@pytest.fixture
def model(work: Path) -> Path:
    """Writes a small sound GGUF file."""
    return Gguf().write(work / "small.gguf")


@pytest.fixture
def registry(work: Path) -> Registry:
    return Registry(config_dir() / "model_map.json")


class Echo(StandIn):
    """It answers with the number of turns and the last one's text; `hold` waits for the client to leave."""

    def __init__(self) -> None:
        self.left = threading.Event()
        self.preloaded: list[str] = []
        self.keys: dict[str, Hashable] = {}
        """The loads of the preloaded models."""
        self.full: QueueFull | None = None

    async def generate(self, spec: ModelSpec, request: Work) -> AsyncGenerator[Note, None]:
        assert isinstance(request, GenerationRequest)
        turns = request.chat.messages
        last = turns[-1].content
        if last == "fail":
            raise InferenceFailed("dispatch.model_file_missing", label=spec.label, file="x")
        yield wire.Started(1, 1)
        for count, piece in enumerate((spec.label, f" {len(turns)} ", f"「{last}」\x1b[2J"), start=1):
            yield wire.Token(1, piece, count)
        if last == "hold":
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()
        yield wire.Finished(1, "stop", 1, 3, Timings(1.0, 1.0, 1.0))

    def status(self) -> DispatcherStatus:
        runners = tuple(RunnerStatus("chat", label, ModelState.READY, key=self.keys[label]) for label in self.preloaded)
        return DispatcherStatus(state=ModelState.READY, label="second", runners=runners)

    async def preload(self, spec: ModelSpec) -> None:
        self.preloaded.append(spec.label)
        self.keys[spec.label] = load_key(spec)

    def keep(self, _spec: ModelSpec, _seconds: float) -> None:
        pass

    async def unload(self, which: ModelSpec | str | None = None) -> None:
        name = which.label if isinstance(which, ModelSpec) else which
        self.preloaded = [label for label in self.preloaded if name is not None and label != name]

    async def start(self) -> None:
        pass

    def drain(self) -> None:
        pass

    async def stop(self) -> None:
        pass


@dataclass(frozen=True)
class Running:
    port: int
    echo: Echo


@pytest.fixture
def server(work: Path, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Runs the real application on a free port, which PORT names, with the models `first` and `second`."""
    for label in ("first", "second"):
        registry.add(label, model)
    with running_server(work, registry) as running:
        monkeypatch.setenv("PORT", str(running.port))
        yield running


@contextmanager
def running_server(work: Path, registry: Registry, **variables: str) -> Iterator[Running]:
    """Runs the real application on a free port, with these settings."""
    settings = load({"PORT": "0"}, variables, work).settings
    echo = Echo()
    port: list[int] = []
    began = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve(settings: Settings) -> None:
        made = app.create(settings, registry, echo, insight=Insight(environ=dict(os.environ)))
        running = app.runner(made)
        await running.setup()
        await listeners.listen(running, settings, made.get(TLS), ())
        port.append(next(address[1] for address in running.addresses if isinstance(address, tuple)))
        began.set()
        await stop.wait()
        await running.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(settings)))
    thread.start()
    try:
        assert began.wait(START_S)
        yield Running(port[0], echo)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
