"""Tests what is told of the server itself: metrics, slots and props, whatever state it is in."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Final

import pytest

from hoshikage import wire
from hoshikage.dispatch.memory import MemoryInUse
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.pool import Kind
from hoshikage.dispatch.status import DispatcherStatus, FullStatus, QueueStatus, RunnerStatus
from hoshikage.dispatch.totals import Totals
from hoshikage.http.measures import BUCKETS, Measures
from hoshikage.infos import Timings
from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.gguf_files import STRING, U32, Gguf
from tests.protocols.conftest import House, serving

TOTALS = Totals(prompt_tokens=7, cached_tokens=5, completion_tokens=3, prompt_ms=500.0, loads=1, crashes=2)
KINDS: Final[tuple[Kind, ...]] = ("chat", "vocabulary")
JSON = {"Content-Type": "application/json"}


def show(house: House, *, running: int = 0, model: str | None = None) -> None:
    """Has the dispatcher say so."""
    now = DispatcherStatus(
        queue=QueueStatus(running=running, waiting=4),
        state=ModelState.READY if model is not None else ModelState.UNLOADED,
        label=model,
        totals=TOTALS,
        runners=()
        if model is None
        else tuple(RunnerStatus(kind, model, ModelState.READY, None, 2000) for kind in KINDS),
    )
    full = FullStatus(now, MemoryInUse(1000, 2000, 3000, 4000))

    async def full_status() -> FullStatus:
        return full

    house.dispatcher.status = lambda: now  # type: ignore[method-assign]
    house.dispatcher.full_status = full_status  # type: ignore[method-assign]


async def metrics(house: House) -> dict[str, float]:
    async with house.session.get(f"{house.url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = (await response.text()).splitlines()
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    assert len({name for name, _, _ in samples}) == len(samples)
    return {name: float(value) for name, _, value in samples}


async def test_figures_are_the_dispatchers(house: House) -> None:
    show(house, running=1, model="tiny")
    told = await metrics(house)
    assert told["hoshikage_requests_running"] == 1
    assert told["hoshikage_requests_waiting"] == told["llamacpp:requests_deferred"] == 4
    assert told["hoshikage_runner_crashes_total"] == 2
    assert told["llamacpp:prompt_tokens_seconds"] == 14
    assert told["llamacpp:predicted_tokens_seconds"] == 0
    assert told['hoshikage_model_loaded{model="tiny"}'] == 1
    assert told['hoshikage_model_resident_bytes{model="tiny",kind="chat"}'] == 2000
    assert told["process_resident_memory_bytes"] == 1000
    assert told["hoshikage_runner_vram_bytes"] == 3000


async def test_a_made_up_path_makes_no_new_line(house: House) -> None:
    show(house)
    for path in ("/nowhere", "/v1/models/nope", '/quote"'):
        await house.ask("GET", path)
    told = await metrics(house)
    assert told['hoshikage_requests_total{method="GET",route="",status="404"}'] == 2
    assert told['hoshikage_requests_total{method="GET",route="/v1/models/{id}",status="404"}'] == 1
    assert not any("nowhere" in name or "nope" in name for name in told)


async def test_a_client_that_left_has_a_status_of_its_own(house: House) -> None:
    show(house)
    house.dispatcher.steps = [wire.Started(1, 5), asyncio.Event()]
    asked = asyncio.create_task(
        house.ask("POST", "/v1/completions", json.dumps({"model": "tiny", "prompt": "a"}), **JSON)
    )
    await house.dispatcher.began.wait()
    asked.cancel()
    await house.dispatcher.closed.wait()
    told = await metrics(house)
    assert told['hoshikage_requests_total{method="POST",route="/v1/completions",status="499"}'] == 1


async def test_slots_say_when_none_is_free(house: House) -> None:
    show(house, running=1)
    status, told, _ = await house.ask("GET", "/slots")
    assert (status, told[0]["is_processing"]) == (200, True)
    status, told, headers = await house.ask("GET", "/slots?fail_on_no_slot=1")
    assert (status, told["error"]["code"], headers["Retry-After"]) == (503, "unavailable", "1")
    show(house)
    assert (await house.ask("GET", "/slots?fail_on_no_slot=1"))[0] == 200


async def test_props_need_no_model_in_memory_and_no_file(house: House) -> None:
    show(house)
    status, told, _ = await house.ask("GET", "/props")
    assert (status, told["model_alias"], told["chat_template"], told["is_sleeping"]) == (200, "tiny", "", True)
    assert "gguf" not in json.dumps(told)


async def test_props_tell_of_a_registered_model_where_the_loaded_one_is_none_any_more(house: House) -> None:
    house.dispatcher.loaded = ["removed"]
    status, told, _ = await house.ask("GET", "/props")
    assert (status, told["model_alias"]) == (200, "tiny")
    assert (await house.ask("GET", "/props?model=removed"))[0] == 404


@pytest.mark.parametrize(
    ("number", "words"), [(0, "F32"), (7, "Q8_0"), (10, "Q2_K - Medium"), (14, "Q4_K - Small"), (15, "Q4_K - Medium"),
                          (18, "Q6_K"), (30, "IQ4_XS")]
)  # fmt: skip
async def test_props_tell_the_type_of_the_file_and_what_a_chat_may_hold(
    settings: Settings, number: int, words: str
) -> None:
    file = settings.model_map_file.parent / "typed.gguf"
    Registry(settings.model_map_file).add("typed", Gguf().with_pair("general.file_type", U32, number).write(file))
    async with serving(settings) as house:
        _, told, _ = await house.ask("GET", "/props?model=typed")
    assert told["model_ftype"] == words
    assert told["chat_template_caps"]["supports_tool_calls"] is True


async def test_props_of_a_model_for_vectors_promise_no_chat(settings: Settings) -> None:
    file = settings.model_map_file.parent / "bert.gguf"
    gguf = Gguf().with_pair("general.architecture", STRING, "bert")
    Registry(settings.model_map_file).add("bert", gguf.write(file))
    async with serving(settings) as house:
        _, told, _ = await house.ask("GET", "/props?model=bert")
    assert "chat_template_caps" not in told


async def test_metrics_tell_since_when_they_count(house: House) -> None:
    show(house)
    _, _, headers = await house.ask("GET", "/metrics")
    assert 0 <= time.time() - int(headers["Process-Start-Time-Unix"]) < 3600
    before, after = Measures(), Measures()
    before.began = 5
    after.restore(before.kept_state())
    assert after.began == 5, "a sleep does not end the count"


def test_a_time_counts_in_the_first_bucket_that_holds_it() -> None:
    measures = Measures()
    for seconds in (0.0, 0.05, 0.051, 1e6):
        measures.add("GET", "/x", 200, seconds)
    measures.add("BREW", "/x", 405, 0)
    assert measures.buckets["/x"] == {BUCKETS[0]: 3, BUCKETS[1]: 1, BUCKETS[-1]: 1}
    assert measures.requests["other", "/x", 405] == 1


def test_only_computed_tokens_count_as_computed() -> None:
    totals = Totals()
    timings = Timings(1.0, 1.0, 1.0, cached_tokens=39)
    totals.add(wire.Finished(1, "stop", 40, 3, timings))
    totals.add(wire.Finished(2, "stop", 40, 3, replace(timings, cached_tokens=0)))
    assert (totals.prompt_tokens, totals.cached_tokens, totals.completion_tokens) == (41, 39, 6)


async def test_what_was_cached_is_told_apart(house: House) -> None:
    show(house)
    found = await metrics(house)
    assert found["hoshikage_prompt_tokens_total"] == found["llamacpp:prompt_tokens_total"] == 7
    assert found["hoshikage_cached_tokens_total"] == found["llamacpp:prompt_tokens_cached_total"] == 5
