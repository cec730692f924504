"""Runs the application on a real port, with a dispatcher whose every step the test decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from ssl import SSLContext, create_default_context
from tempfile import TemporaryDirectory
from typing import IO, Any, Final

import openai
import pytest
from aiohttp import ClientSession

from hoshikage import wire
from hoshikage.dispatch.client import Note
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import DispatcherStatus, RunnerStatus
from hoshikage.dispatch.totals import Totals
from hoshikage.errors import InvalidRequest, QueueFull, ShuttingDown
from hoshikage.http import listeners
from hoshikage.http.keys import TLS, StreamTimeouts
from hoshikage.infos import Timings
from hoshikage.params import Counting, GenerationRequest, Work
from hoshikage.protocols import app
from hoshikage.protocols.hoshikage.insight import Insight
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings, load
from tests.gguf_files import Gguf
from tests.stand_in import StandIn

Step = Note | Exception | asyncio.Event
_FOLDER: Final = "the folder"


def finished(
    reason: wire.FinishReason = "stop", prompt_tokens: int = 5, completion_tokens: int = 3, choice: int = 0
) -> wire.Finished:
    timings = Timings(1.0, 1.0, 1.0, 0.5, 2, 4, 3, 7.0, 9.0)
    return wire.Finished(1, reason, prompt_tokens, completion_tokens, timings, choice=choice)


def answer(*texts: str, reason: wire.FinishReason = "stop") -> list[Step]:
    """Makes the steps of a whole answer."""
    tokens = [wire.Token(1, text, count) for count, text in enumerate(texts, start=1)]
    return [wire.Started(1, 5), *tokens, finished(reason)]


class GatedDispatcher(StandIn):
    """Answers every request by `steps`: a note is yielded, an error raised, a gate waited for."""

    def __init__(self) -> None:
        self.steps: list[Step] = answer("星", "影です")
        self.asked: list[tuple[ModelSpec, GenerationRequest]] = []
        self.began = asyncio.Event()
        self.closed = asyncio.Event()
        self.loaded: list[str] = []
        self.kept: list[float] = []
        self.unload_in: float | None = None
        self.busy = False
        self.drained = asyncio.Event()
        self.stopped = False
        self.full: QueueFull | None = None

    async def generate(self, spec: ModelSpec, request: Work) -> AsyncGenerator[Note, None]:
        if isinstance(request, Counting):
            request = request.request
        assert isinstance(request, GenerationRequest)
        self.asked.append((spec, request))
        self.began.set()
        try:
            for step in self.steps:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                    if self.stopped:
                        raise ShuttingDown("dispatch.shutting_down", retry_after=5)
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
        finally:
            self.closed.set()

    async def preload(self, spec: ModelSpec) -> None:
        self.loaded.append(spec.label)

    def keep(self, _spec: ModelSpec, seconds: float) -> None:
        self.kept.append(seconds)

    async def unload(self, which: ModelSpec | str | None = None) -> None:
        if self.busy:
            raise InvalidRequest("dispatch.busy", label="tiny")
        name = which.label if isinstance(which, ModelSpec) else which
        self.loaded = [label for label in self.loaded if name is not None and label != name]

    def status(self) -> DispatcherStatus:
        return DispatcherStatus(
            state=ModelState.READY if self.loaded else ModelState.UNLOADED,
            label=self.loaded[-1] if self.loaded else None,
            unload_in=self.unload_in,
            runners=tuple(
                RunnerStatus("chat", label, ModelState.READY, unload_in=self.unload_in) for label in self.loaded
            ),
            totals=Totals(loads=len(self.asked)),
        )

    async def start(self) -> None:
        pass

    def drain(self) -> None:
        self.drained.set()

    async def stop(self) -> None:
        """Ends what still waits."""
        self.stopped = True
        for step in self.steps:
            if isinstance(step, asyncio.Event):
                step.set()


@cache
def tls() -> SSLContext:
    """Returns what SDKs would make anew for each client, with every certificate of the system read again."""
    return create_default_context()


class House:
    """This is one running server and what a test needs to talk to it."""

    def __init__(self, url: str, dispatcher: GatedDispatcher, session: ClientSession) -> None:
        self.url = url
        self.dispatcher = dispatcher
        self.session = session

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def sdk(self, api_key: str = "unused", **options: Any) -> openai.AsyncOpenAI:
        http = openai.DefaultAsyncHttpxClient(verify=tls())
        return openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key=api_key, max_retries=0, http_client=http, **options
        )

    async def ask(
        self, method: str, path: str, data: bytes | str | None = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Returns status, JSON and headers of any request; None for an answer that is no JSON."""
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else None, response.headers

    async def chat(
        self, body: bytes | str | IO[bytes], **headers: str
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Returns status, JSON and headers of a POST to the chat route."""
        sent = {"Content-Type": "application/json", **headers}
        async with self.session.post(f"{self.url}/v1/chat/completions", data=body, headers=sent) as response:
            return response.status, await response.json(), response.headers


@pytest.fixture
def settings(tmp_path: Path, home: Path) -> Settings:
    environ = {"MODEL_MAP_FILE": str(tmp_path / "model_map.json"), "HOSHIKAGE_LANG": "ja"}
    return load({"PORT": "0"}, environ, tmp_path).settings


@pytest.fixture
def timeouts() -> StreamTimeouts:
    """Gives the times as in production, so that no comment comes by chance; tests of comments have their own."""
    return StreamTimeouts()


def _store_tiny(registry: Registry, file: Path) -> None:
    """Registers `tiny`. A first entry is written as the registry once wrote it, without waiting for the disk again."""
    if file.exists():
        registry.add("tiny", file.with_name("tiny.gguf"), ["### END"])
    else:
        file.write_text(_written().replace(json.dumps(_FOLDER), json.dumps(str(file.parent))), "utf-8")


@cache
def _written() -> str:
    with TemporaryDirectory() as folder:
        file = Path(folder).resolve() / "model_map.json"
        Registry(file).add("tiny", file.with_name("tiny.gguf"), ["### END"])
        return file.read_text("utf-8").replace(json.dumps(str(file.parent)), json.dumps(_FOLDER))


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    timeouts: StreamTimeouts | None = None,
    exposed: bool | None = None,
    stored: bool = True,
    dispatcher: GatedDispatcher | None = None,
    insight: Insight | None = None,
) -> AsyncIterator[House]:
    """Runs a server with these settings on a free port of 127.0.0.1, beside its Unix socket where it has one.

    `stored`: whether the model `tiny` is registered.
    """
    registry = Registry(settings.model_map_file)
    if stored:
        _store_tiny(registry, settings.model_map_file)
    dispatcher = dispatcher or GatedDispatcher()
    made = app.create(settings, registry, dispatcher, timeouts, exposed=exposed, insight=insight)
    running = app.runner(made)
    await running.setup()
    try:
        await listeners.listen(running, settings, made.get(TLS), ())
        async with ClientSession() as session:
            yield House(listeners.url(running.addresses[0], secure=TLS in made), dispatcher, session)
    finally:
        await running.cleanup()
    assert dispatcher.stopped


@pytest.fixture
async def house(settings: Settings, timeouts: StreamTimeouts) -> AsyncIterator[House]:
    async with serving(settings, timeouts=timeouts) as running:
        yield running


@pytest.fixture
def registry(house: House, settings: Settings) -> Registry:
    """Returns what another process would see."""
    return Registry(settings.model_map_file)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Gguf().write(tmp_path / "small.gguf")
