"""Tests the async face: one end per request, one more try after a silent crash, cancel when the reader leaves."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path

import pytest

from hoshikage import settings as settings_module
from hoshikage import wire
from hoshikage.dispatch.client import Dispatcher, Note, Waiting
from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.lifecycle import Lifecycle, Policy
from hoshikage.dispatch.memory import Footprint
from hoshikage.dispatch.pool import Pool, Pools
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.dispatch.status import QueueStatus
from hoshikage.dispatch.tries import Answering
from hoshikage.errors import (
    InvalidRequest,
    ModelCrashed,
    ModelLoadFailed,
    RateLimited,
    RequestCrashedModel,
    ShuttingDown,
)
from hoshikage.params import ChatPrompt, GenerationRequest, Grammar, Message
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings
from tests.dispatch.fake_host import TIMINGS, FakeHouse, FakeLibraries

REQUEST = GenerationRequest(ChatPrompt((Message("user", "hi"),)))


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
def dispatcher(house: FakeHouse, tmp_path: Path) -> Dispatcher:
    settings = settings_module.load({}, {}, tmp_path).settings
    return made(house, settings)


def made(house: FakeHouse, settings: Settings) -> Dispatcher:
    crashes = Crashes(time.monotonic)
    libraries = FakeLibraries()
    lifecycle = Lifecycle(libraries, house, RamDisk(None), crashes, Policy(0, 0, 0, "en"))
    pools = Pools(Pool("chat", [lifecycle], settings, crashes, time.monotonic))
    return Dispatcher(settings, pools, libraries, crashes, time.monotonic)


def asking(words: str, grammar: str | None = None) -> GenerationRequest:
    return GenerationRequest(
        ChatPrompt((Message("user", words),)), grammar=None if grammar is None else Grammar("gbnf", grammar, "grammar")
    )


@pytest.fixture
def spec(tmp_path: Path) -> ModelSpec:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"GGUF")
    return ModelSpec(label="a", file=file, stop=(), created=0)


async def collect(dispatcher: Dispatcher, spec: ModelSpec, request: GenerationRequest = REQUEST) -> list[Note]:
    return [note async for note in dispatcher.generate(spec, request)]


def texts(notes: list[Note]) -> list[str]:
    return [note.text for note in notes if isinstance(note, wire.Token)]


async def test_events_come_in_order_and_end_with_finished(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    request = asyncio.create_task(collect(dispatcher, spec))
    await (await house.host(0)).answer("星", "影")
    notes = await request
    assert [type(note) for note in notes] == [Answering, wire.Started, wire.Token, wire.Token, wire.Finished]
    assert dispatcher.status().last_requests[0].completion_tokens == 3


async def test_a_second_request_waits_its_turn_and_sees_its_place(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    first = asyncio.create_task(collect(dispatcher, spec))
    host = await house.host(0)
    job = (await host.generates.get()).job
    second = dispatcher.generate(spec, REQUEST)
    waits = await second.__anext__()
    assert isinstance(waits, Waiting)
    assert waits.place == 1
    host.emit(wire.Failed.of(ModelLoadFailed("engine.x"), job))
    with pytest.raises(ModelLoadFailed):
        await first
    rest = asyncio.create_task(anext_until_end(second))
    await host.answer("b")
    assert texts(await rest) == ["b"]


async def anext_until_end(notes: object) -> list[Note]:
    return [note async for note in notes]  # type: ignore[attr-defined]


async def test_a_crash_before_any_text_is_tried_once_more_and_not_seen(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    request = asyncio.create_task(collect(dispatcher, spec))
    first = await house.host(0)
    await first.answer(end=False)
    first.crash()
    await (await house.host(1)).answer("ok")
    notes = await request
    assert [type(note) for note in notes] == [Answering, wire.Started, Answering, wire.Token, wire.Finished]


async def test_a_second_crash_is_told(dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec) -> None:
    request = asyncio.create_task(collect(dispatcher, spec))
    for number in (0, 1):
        host = await house.host(number)
        await host.answer(end=False)
        host.crash("SIGABRT")
    with pytest.raises(ModelCrashed) as crashed:
        await request
    assert crashed.value.details["reason"] == "SIGABRT"
    assert crashed.value.final
    with pytest.raises(RequestCrashedModel) as refused:
        await collect(dispatcher, spec)
    assert (refused.value.status, refused.value.code) == (400, "request_crashed_model")
    assert len(house.hosts) == 2


async def test_a_request_that_had_to_be_stopped_is_not_tried_again(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    request = asyncio.create_task(collect(dispatcher, spec))
    host = await house.host(0)
    await host.generates.get()
    host.crash("SIGALRM")
    with pytest.raises(ModelCrashed) as crashed:
        await request
    assert crashed.value.final
    with pytest.raises(RequestCrashedModel):
        await collect(dispatcher, spec)
    assert len(house.hosts) == 1


async def test_a_changed_file_lifts_the_refusal_of_a_request(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    request = asyncio.create_task(collect(dispatcher, spec))
    host = await house.host(0)
    await host.generates.get()
    host.crash("SIGALRM")
    with pytest.raises(ModelCrashed):
        await request
    spec.file.write_bytes(b"GGUF again")
    again = asyncio.create_task(collect(dispatcher, spec))
    await (await house.host(1)).answer("ok")
    assert texts(await again) == ["ok"]


async def test_of_two_that_ran_together_only_the_guilty_one_is_refused(
    house: FakeHouse, spec: ModelSpec, tmp_path: Path
) -> None:
    """Both are tried once more, one after the other: who is innocent gets its answer."""
    dispatcher = made(house, settings_module.load({"N_PARALLEL": "2"}, {}, tmp_path).settings)
    guilty = asyncio.create_task(collect(dispatcher, spec, asking("guilty")))
    innocent = asyncio.create_task(collect(dispatcher, spec, asking("innocent")))
    first = await house.host(0)
    for _ in range(2):
        await first.generates.get()
    first.crash()
    number, left = 1, {"guilty", "innocent"}
    while left:
        host = await house.host(number)
        job = await host.generates.get()
        assert host.generates.empty(), "it is alone"
        if job.request == asking("guilty"):
            host.crash()
            left.remove("guilty")
            number += 1
        else:
            host.emit(wire.Token(job.job, "ok", 1))
            host.emit(wire.Finished(job.job, "stop", 3, 1, TIMINGS))
            left.remove("innocent")
    with pytest.raises(ModelCrashed) as crashed:
        await guilty
    assert crashed.value.final
    assert texts(await innocent) == ["ok"]
    assert not dispatcher.status().quarantined


async def test_a_job_that_nobody_reads_any_more_is_suspected_too(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    """The model has not crashed by itself when a client sends what crashes and leaves at once."""
    for number in range(3):
        async with aclosing(dispatcher.generate(spec, asking("leaver", grammar=f"{number}"))) as notes:
            assert isinstance(await notes.__anext__(), Answering)
            waiting = asyncio.create_task(anext(notes))
            host = await house.host(number)
            host.emit(wire.Started((await host.generates.get()).job, 3))
            await waiting
        host.crash()
    assert not dispatcher.status().quarantined
    with pytest.raises(RateLimited) as refused:
        await collect(dispatcher, spec, asking("leaver", grammar="another"))
    assert (refused.value.status, refused.value.retry_after) == (429, 600)
    plain = asyncio.create_task(collect(dispatcher, spec, asking("plain")))
    await (await house.host(3)).answer("ok")
    assert texts(await plain) == ["ok"]


async def test_a_slow_reader_does_not_hold_the_lane(dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec) -> None:
    slow = dispatcher.generate(spec, REQUEST)
    answer = asyncio.create_task(answer_whole(house, "x"))
    assert isinstance(await slow.__anext__(), Answering)
    assert isinstance(await slow.__anext__(), wire.Started)
    await answer
    assert dispatcher.status().queue.running == 0
    assert texts(await anext_until_end(slow)) == ["x"]


async def answer_whole(house: FakeHouse, text: str) -> int:
    return await (await house.host(0)).answer(text)


async def test_drain_refuses_those_who_wait_and_lets_the_running_one_end(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    running = asyncio.create_task(collect(dispatcher, spec))
    host = await house.host(0)
    job = (await host.generates.get()).job
    waiting = dispatcher.generate(spec, REQUEST)
    waits = await waiting.__anext__()
    assert isinstance(waits, Waiting)
    assert waits.place == 1
    dispatcher.drain()
    with pytest.raises(ShuttingDown):
        await waiting.__anext__()
    with pytest.raises(ShuttingDown):
        await collect(dispatcher, spec)
    host.emit(wire.Started(job, 3))
    host.emit(wire.Finished(job, "stop", 3, 1, TIMINGS))
    assert isinstance((await running)[-1], wire.Finished)


async def test_the_next_server_goes_on_telling_what_the_last_unload_gave_back(house: FakeHouse, tmp_path: Path) -> None:
    settings = settings_module.load({}, {}, tmp_path).settings
    before, after = made(house, settings), made(house, settings)
    after.restore(before.kept_state())
    assert after.status().last_unload is None
    left = Footprint(4096, 512, at=1.0)
    after.restore({**before.kept_state(), "returned": asdict(left)})
    assert after.status().last_unload == left
    again = made(house, settings)
    again.restore(after.kept_state())
    assert again.status().last_unload == left


async def test_preload_loads_and_unload_ends_but_never_a_busy_model(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    await dispatcher.preload(spec)
    assert dispatcher.status().state == "ready"
    running = asyncio.create_task(collect(dispatcher, spec))
    host = await house.host(0)
    job = (await host.generates.get()).job
    with pytest.raises(InvalidRequest):
        await dispatcher.unload()
    host.emit(wire.Finished(job, "stop", 3, 1, TIMINGS))
    await running
    await dispatcher.unload()
    assert host.stopped


async def test_a_crash_after_text_is_not_tried_again(dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec) -> None:
    request = asyncio.create_task(collect(dispatcher, spec))
    host = await house.host(0)
    await host.answer("half", end=False)
    host.crash()
    with pytest.raises(ModelCrashed):
        await request
    assert len(house.hosts) == 1


async def test_a_reader_that_leaves_cancels_its_job_and_frees_the_lane(
    dispatcher: Dispatcher, house: FakeHouse, spec: ModelSpec
) -> None:
    async with aclosing(dispatcher.generate(spec, REQUEST)) as notes:
        answer = asyncio.create_task(answer_next(house, "x"))
        assert isinstance(await notes.__anext__(), Answering)
        assert isinstance(await notes.__anext__(), wire.Started)
        job = await answer
    assert house.hosts[0].commands[-1] == wire.Cancel(job)
    assert dispatcher.status().queue == QueueStatus()


async def answer_next(house: FakeHouse, text: str) -> int:
    return await (await house.host(0)).answer(text, end=False)


async def test_a_missing_model_file_is_a_client_error_that_names_it(
    dispatcher: Dispatcher, house: FakeHouse, tmp_path: Path
) -> None:
    spec = ModelSpec(label="gone", file=tmp_path / "gone.gguf", stop=(), created=0)
    with pytest.raises(ModelLoadFailed) as missing:
        await collect(dispatcher, spec)
    assert missing.value.status == 400
    assert missing.value.details["file"] == str(spec.file)
    assert house.hosts == []


async def test_a_stopped_dispatcher_takes_no_request(dispatcher: Dispatcher, spec: ModelSpec) -> None:
    await dispatcher.stop()
    with pytest.raises(ShuttingDown):
        await collect(dispatcher, spec)
