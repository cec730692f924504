"""Tests several models at once: lanes, a small model beside the others, vocabularies, and who makes way where memory is
short."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hoshikage import gguf, wire
from hoshikage import settings as settings_module
from hoshikage.dispatch import budget, making, wanted
from hoshikage.dispatch.client import Dispatcher, Note
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.dispatch.tries import ACCOUNT
from hoshikage.errors import InvalidRequest, ModelLoadFailed, Unavailable
from hoshikage.gguf import GgufHeader
from hoshikage.params import ChatPrompt, Counting, Embedding, GenerationRequest, Message, Tokenization, Work
from hoshikage.registry import ModelSpec, OwnOptions
from tests.dispatch.fake_host import TIMINGS, FakeHost, FakeHouse, FakeLibraries
from tests.gguf_files import U32, Gguf

REQUEST = GenerationRequest(ChatPrompt((Message("user", "hi"),)))
EMBEDDING = Embedding(("a",))
WORDS = Tokenization("a", False, False)


class World:
    """This is a dispatcher whose runners are the test's, with models in a folder."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.registered: dict[str, ModelSpec] = {}
        self.house = FakeHouse()
        self.libraries = FakeLibraries()
        flags = {"RUNNER_AHEAD": "off", "QUEUE_TIMEOUT": "1", **settings}
        self.settings = settings_module.load(flags, {}, folder).settings
        self.dispatcher = making.assemble(self.settings, self.libraries, self.house, RamDisk(None), time.monotonic,
                                          known=self.registered.get)  # fmt: skip

    def model(self, label: str, mib: int = 100, *, pooling: int | None = None, pin: bool = False) -> ModelSpec:
        """Writes a model of so many MiB; `pooling` makes it one that embeds (1) or ranks (4)."""
        file = self.folder / f"{label}.gguf"
        made = Gguf().with_pair("llama.pooling_type", U32, pooling) if pooling else Gguf()
        made = made.with_pair("llama.attention.causal", 7, 0) if pooling else made
        made.write(file)
        self.libraries.headers[file.name] = replace(gguf.read(file), size_bytes=mib * 2**20)
        return self.register(ModelSpec(label, file, (), 0, options=OwnOptions({"pin": True} if pin else {})))

    def register(self, spec: ModelSpec) -> ModelSpec:
        self.registered[spec.label] = spec
        return spec

    async def ask(self, spec: ModelSpec, request: Work = REQUEST) -> list[Note]:
        return [note async for note in self.dispatcher.generate(spec, request)]

    async def answered(self, spec: ModelSpec, host: int) -> None:
        """Gives one whole answer, on the runner of that number."""
        asking = asyncio.create_task(self.ask(spec))
        await (await self.house.host(host)).answer("x")
        await asking

    async def begun(self, spec: ModelSpec, host: int) -> tuple[asyncio.Task[list[Note]], FakeHost, int]:
        """Begins an answer that does not end: its task, its runner, its job."""
        asking = asyncio.create_task(self.ask(spec))
        runner = await self.house.host(host)
        return asking, runner, await runner.answer("x", end=False)

    @property
    def loaded(self) -> dict[str, str]:
        return {one.model: one.kind for one in self.dispatcher.status().runners if one.state == "ready"}

    @property
    def loads(self) -> list[str]:
        return [Path(path).stem for path in self.house.loads]


def done(runner: FakeHost, job: int) -> None:
    runner.emit(wire.Failed.of(InvalidRequest("engine.x"), job))


@pytest.fixture
def world(tmp_path: Path, home: Path) -> World:
    return World(tmp_path)


def ample(header: GgufHeader) -> int:
    return budget.need_of(header, settings_module.load({}, {}, Path()).settings.load_params).ram


async def test_two_models_stay_loaded_and_answer_at_once(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path, MAX_MODELS="2")
    a, b, c = (world.model(label) for label in "abc")
    first, runner, job = await world.begun(a, 0)
    await world.answered(b, 1)
    await world.answered(b, 1)
    assert world.loads == ["a", "b"]
    await world.answered(c, 2)
    assert (world.loaded, first.done()) == ({"a": "chat", "c": "chat"}, False), "the one that rests made way"
    done(runner, job)
    with pytest.raises(InvalidRequest):
        await first
    assert world.dispatcher.status().queue.slots == 2


async def test_by_default_one_model_makes_way_for_another(world: World) -> None:
    for host, label in enumerate("ab"):
        await world.answered(world.model(label), host)
    assert world.loaded == {"b": "chat"}
    assert world.house.hosts[0].stopped


async def test_chats_and_embeddings_by_turns_cause_one_load_each(world: World) -> None:
    chat, embedder, ranker = world.model("chat"), world.model("embedder", pooling=1), world.model("ranker", pooling=4)
    for _ in range(3):
        await world.answered(chat, 0)
        for spec in (embedder, ranker):
            assert isinstance((await world.ask(spec, EMBEDDING))[-1], wire.Finished)
    assert world.loads == ["chat", "embedder", "ranker"]
    assert world.loaded == {"chat": "chat", "embedder": "embeddings", "ranker": "rerank"}
    assert world.dispatcher.status().label == "chat"


@pytest.mark.parametrize(("limit", "mib"), [("0", 10), ("100", 99)])
async def test_a_larger_embedder_takes_the_place_of_the_chat(tmp_path: Path, home: Path, limit: str, mib: int) -> None:
    world = World(tmp_path, EMBEDDING_MEMORY=limit)
    await world.answered(world.model("chat"), 0)
    await world.ask(world.model("embedder", mib, pooling=1), EMBEDDING)
    assert world.loaded == {"embedder": "chat"}
    assert world.dispatcher.status().label == "embedder"


async def test_words_wait_for_no_answer_and_change_no_model(world: World) -> None:
    chat, other = world.model("chat"), world.model("other")
    asking, runner, job = await world.begun(chat, 0)
    for spec in (chat, other):
        for work in (WORDS, Counting(REQUEST)):
            finished = (await world.ask(spec, work))[-1]
            assert isinstance(finished, wire.Finished)
            assert finished.prompt_tokens == 7
    assert [command.params.vocab_only for host in world.house.hosts for command in host.commands
            if isinstance(command, wire.Load)] == [False, True, True]  # fmt: skip
    assert world.loaded == {"chat": "chat", "other": "vocabulary"}
    done(runner, job)
    with pytest.raises(InvalidRequest):
        await asking
    await world.ask(chat, WORDS)
    assert world.loads == ["chat", "chat", "other"], "the loaded model tells its own words while it rests"


async def test_words_of_a_model_that_is_not_loaded_load_only_its_vocabulary(world: World) -> None:
    await world.ask(world.model("a"), WORDS)
    assert world.loaded == {"a": "vocabulary"}
    assert world.dispatcher.status().state == "unloaded"


async def test_who_rests_makes_way_where_memory_is_short(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, MAX_MODELS="3")
    specs = [world.model(label) for label in "abc"]
    need = ample(world.libraries.headers["a.gguf"])
    limited(monkeypatch, world.dispatcher, 2 * need)
    for host, spec in enumerate(specs):
        await world.answered(spec, host)
    assert world.loaded == {"b": "chat", "c": "chat"}


async def test_a_load_waits_for_who_computes_and_is_refused_with_figures(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, MAX_MODELS="2")
    a, b = world.model("a"), world.model("b", 5000)
    limited(monkeypatch, world.dispatcher, ample(world.libraries.headers["b.gguf"]))
    asking, runner, job = await world.begun(a, 0)
    with pytest.raises(Unavailable) as refused:
        await world.ask(b)
    assert (refused.value.status, refused.value.key, refused.value.details["loaded"]) == (503, "dispatch.no_room", "a")
    needed, free = refused.value.details["needed"], refused.value.details["free"]
    assert isinstance(needed, float)
    assert isinstance(free, float)
    assert needed > free > 4000
    waiting = asyncio.create_task(world.answered(b, 1))
    done(runner, job)
    await waiting
    assert world.loaded == {"b": "chat"}
    with pytest.raises(InvalidRequest):
        await asking


async def test_a_model_alone_is_never_refused_for_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, world.dispatcher, 1)
    await world.answered(world.model("a", 100_000), 0)
    assert world.loaded == {"a": "chat"}


async def test_memory_of_gpus_counts_where_it_is_known(tmp_path: Path) -> None:
    settings = settings_module.load({}, {}, Path()).settings
    header = GgufHeader(3, 1000, "llama", "model", "", 1, 1, "F16", 0, 10, None, False, frozenset(), None, None,
                        {"llama.block_count": 4}, {})  # fmt: skip
    whole, half, none = (
        budget.need_of(header, replace(settings.load_params, n_gpu_layers=layers)).vram for layers in (-1, 2, 0)
    )
    assert (whole, half, none) == (1000, 500, 0)
    projector = tmp_path / "mmproj.gguf"
    projector.write_bytes(bytes(300))
    seeing = replace(settings.load_params, mmproj=str(projector))
    alone, with_it = (budget.need_of(header, params) for params in (settings.load_params, seeing))
    assert (with_it.ram - alone.ram, with_it.vram - alone.vram) == (300, 300)
    assert budget.need_of(header, replace(seeing, n_gpu_layers=0)).vram == 0


async def test_a_pinned_model_stays(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path, IDLE_TIMEOUT="0.01")
    await world.answered(world.model("a", pin=True), 0)
    assert world.dispatcher.status().runners[0].unload_in is None
    with pytest.raises(Unavailable):
        await world.ask(world.model("b"))
    await world.dispatcher.unload()
    await world.answered(world.model("b"), 1)


CHANGES = {
    "settings": OwnOptions({"pin": True, "n_ctx": 600}),
    "no_pin": OwnOptions({}),
    "removed": None,
}


def change(world: World, spec: ModelSpec, options: OwnOptions | None) -> ModelSpec:
    """Returns the spec as it is registered from now on; None takes it out."""
    if options is None:
        del world.registered[spec.label]
        return spec
    return world.register(replace(spec, options=options))


@pytest.mark.parametrize("options", CHANGES.values(), ids=CHANGES.keys())
async def test_a_pin_that_the_registry_holds_no_longer_refuses_nobody(
    tmp_path: Path, home: Path, options: OwnOptions | None
) -> None:
    world = World(tmp_path)
    a = world.model("a", pin=True)
    await world.answered(a, 0)
    change(world, a, options)
    await world.answered(world.model("b"), 1)
    assert world.loaded == {"b": "chat"}


async def test_a_pinned_model_gets_its_new_settings_at_its_next_request(tmp_path: Path, home: Path) -> None:
    for number, lanes in enumerate("12"):
        (folder := tmp_path / lanes).mkdir()
        world = World(folder, MAX_MODELS=lanes)
        a = world.model("a", pin=True)
        await world.answered(a, 0)
        changed = change(world, a, CHANGES["settings"])
        assert [(one.serves(a), one.serves(changed)) for one in world.dispatcher.status().runners] == [(True, False)]
        await world.answered(changed, 1)
        assert [host.stopped for host in world.house.hosts] == [True, False], f"with {number + 1} lanes"
        assert [one.pinned for one in world.dispatcher.status().runners] == [True]


async def test_who_waits_gets_the_lane_once_an_outdated_pin_is_idle(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path)
    a = world.model("a", pin=True)
    asking, runner, job = await world.begun(a, 0)
    change(world, a, None)
    waiting = asyncio.create_task(world.answered(world.model("b"), 1))
    await asyncio.wait([waiting], timeout=0)
    assert not waiting.done()
    done(runner, job)
    await waiting
    with pytest.raises(InvalidRequest):
        await asking


async def test_an_outdated_pin_makes_way_where_memory_is_short(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, MAX_MODELS="2")
    a, b = world.model("a", pin=True), world.model("b")
    await world.answered(a, 0)
    limited(monkeypatch, world.dispatcher, 1)
    with pytest.raises(Unavailable):
        await world.ask(b)
    change(world, a, None)
    await world.answered(b, 1)
    assert world.loaded == {"b": "chat"}


async def test_an_outdated_pin_idles_out(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path, IDLE_TIMEOUT="50")
    a = world.model("a", pin=True)
    await world.answered(a, 0)
    change(world, a, None)
    [runner] = (await world.dispatcher.full_status()).now.runners
    assert not runner.pinned
    assert 49 <= (runner.unload_in or 0) <= 50


async def test_another_name_of_a_pinned_model_leaves_its_pin_alone(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path)
    a = world.model("a", pin=True)
    await world.answered(a, 0)
    await world.answered(world.register(replace(a, label="also", options=OwnOptions({}))), 0)
    with pytest.raises(Unavailable):
        await world.ask(world.model("b"))
    assert world.loaded == {"a": "chat"}


@pytest.mark.parametrize("outdated", ["a", "also"])
async def test_of_two_pinned_names_of_a_model_each_keeps_it(tmp_path: Path, home: Path, outdated: str) -> None:
    world = World(tmp_path)
    specs = {"a": world.model("a", pin=True)}
    specs["also"] = world.register(replace(specs["a"], label="also"))
    for spec in specs.values():
        await world.answered(spec, 0)
    change(world, specs.pop(outdated), None)
    b = world.model("b")
    with pytest.raises(Unavailable):
        await world.ask(b)
    (left,) = specs.values()
    change(world, left, OwnOptions({}))
    await world.answered(b, 1)
    assert world.loaded == {"b": "chat"}


async def test_a_pin_of_a_model_that_does_not_load_refuses_nobody(world: World) -> None:
    a = world.model("a", pin=True)
    a.file.unlink()
    with pytest.raises(ModelLoadFailed):
        await world.ask(a)
    await world.answered(world.model("b"), 0)


async def test_one_model_is_unloaded_and_kept_by_its_name(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path, MAX_MODELS="2", IDLE_TIMEOUT="0")
    a, b = world.model("a"), world.model("b")
    for host, spec in enumerate((a, b)):
        await world.answered(spec, host)
    world.dispatcher.keep(b, 50.0)
    left = {one.model: one.unload_in for one in world.dispatcher.status().runners}
    assert left["a"] is None
    assert 49 <= (left["b"] or 0) <= 50
    await world.dispatcher.unload(a)
    assert world.loaded == {"b": "chat"}


async def test_a_copy_that_is_outdated_is_unloaded_by_its_name(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path, MAX_MODELS="2")
    a = world.model("a")
    await world.answered(a, 0)
    await world.dispatcher.unload(replace(a, options=OwnOptions({"n_ctx": 600})))
    assert world.loaded == {}
    await world.answered(a, 1)
    await world.answered(world.model("b"), 2)
    await world.dispatcher.unload("a")
    assert world.loaded == {"b": "chat"}


async def test_callers_take_turns(world: World) -> None:
    spec = world.model("a")
    first, runner, job = await world.begun(spec, 0)
    many = [asyncio.create_task(world.ask(spec)) for _ in range(3)]
    await asyncio.wait(many, timeout=0)
    account = ACCOUNT.set("other")
    one = asyncio.create_task(world.ask(spec, replace(REQUEST, max_tokens=1)))
    ACCOUNT.reset(account)
    await asyncio.wait([one], timeout=0)
    while len(world.dispatcher.status().queue.waiting_for) < 4:
        await asyncio.wait([one], timeout=0)
    done(runner, job)
    next_job = await runner.generates.get()
    assert next_job.request.max_tokens == 1
    runner.emit(wire.Finished(next_job.job, "stop", 1, 1, TIMINGS))
    await one
    with pytest.raises(InvalidRequest):
        await first
    for task in many:
        task.cancel()


def limited(monkeypatch: pytest.MonkeyPatch, dispatcher: Dispatcher, available: int) -> None:
    """The machine has so many bytes, and what runners take of them is not known."""
    for pool in dispatcher._pools.of_models():
        for lifecycle in pool.lifecycles:
            room = lifecycle.room
            assert room is not None
            monkeypatch.setattr(room.func.__self__, "_memory", lambda: available)  # type: ignore[attr-defined]


def test_names_of_one_file_need_one_load(tmp_path: Path) -> None:
    file = tmp_path / "a.gguf"
    one, other = ModelSpec("a", file, (), 0), ModelSpec("b", file, (), 0)
    assert wanted.load_key(one) == wanted.load_key(other)
    assert wanted.load_key(one) != wanted.load_key(replace(other, options=OwnOptions({"n_ctx": 64})))
