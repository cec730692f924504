"""Being refused costs the refused: prepared bytes, one in each pass of the loop, whatever the request holds."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from hoshikage.errors import QueueFull
from hoshikage.http import refusal
from hoshikage.http.refusal import Refusals
from hoshikage.settings import Settings
from tests.protocols.conftest import House, serving
from tests.protocols.test_connections import CHAT, asking, opened, read_answer

FULL = QueueFull("dispatch.queue_full", bound=64, retry_after=5)
CALLS = 400
"""A refusal makes so many calls of Python functions, aiohttp's and those of the test's own client with it."""


@pytest.fixture
def full(house: House) -> House:
    house.dispatcher.full = FULL
    return house


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/embeddings", "/infill"])
@pytest.mark.parametrize("language", ["ja", "en"])
async def test_a_prepared_refusal_says_what_the_error_says(full: House, path: str, language: str) -> None:
    said = []
    for origin in ({}, {"Origin": full.url}):  # from a page it goes the long way
        status, body, headers = await full.ask("POST", path, CHAT, **{"Accept-Language": language}, **origin)
        assert status == 429
        assert headers["Retry-After"] == "5"
        assert headers["Content-Type"].startswith("application/json")
        assert headers["Server"] == "hoshikage"
        if "request_id" in body:
            assert body.pop("request_id") == headers["x-request-id"]
        said.append((body, headers["x-request-id"]))
    assert said[0][0] == said[1][0]
    assert said[0][1] != said[1][1]
    assert not full.dispatcher.asked


async def test_what_waits_for_no_place_is_not_refused(full: House) -> None:
    assert (await full.ask("GET", "/v1/models"))[0] == 200
    assert (await full.ask("GET", "/health"))[0] == 200
    assert (await full.ask("POST", "/api/show", b"{}", **{"Content-Type": "application/json"}))[0] == 400
    assert (await full.ask("POST", "/v1/chat/completions", CHAT, Host="evil.example"))[0] == 403


async def test_who_may_not_ask_is_told_that_first(settings: Settings) -> None:
    async with serving(replace(settings, require_token="always")) as house:
        house.dispatcher.full = FULL
        assert (await house.ask("POST", "/v1/chat/completions", CHAT))[0] == 401


async def test_rates_are_told_with_a_refusal_too(settings: Settings) -> None:
    async with serving(replace(settings, rate_limit_requests=5)) as house:
        house.dispatcher.full = FULL
        status, _, headers = await house.ask("POST", "/v1/chat/completions", CHAT)
        assert (status, headers["x-ratelimit-remaining-requests"]) == (429, "4")


async def test_the_connection_goes_on(full: House) -> None:
    reader, writer = await opened(full, asking() * 3)
    for _ in range(3):
        assert b" 429 " in await read_answer(reader)
    full.dispatcher.full = None
    writer.write(asking())
    assert b" 200 " in await read_answer(reader)
    full.dispatcher.full = FULL
    writer.write(asking(b"/v1/chat/completions", b"Connection: close"))
    last = await reader.read()
    assert b" 429 " in last
    assert b"Connection: close" in last
    writer.close()


async def test_between_two_refusals_the_loop_looks_at_other_events() -> None:
    refusals = Refusals()
    order: list[str] = []

    async def refuse(number: int) -> None:
        await refusals._turn()
        order.append(f"refused {number}")

    def event(number: int) -> None:
        order.append(f"event {number}")
        if number < 3:
            asyncio.get_running_loop().call_soon(event, number + 1)

    waiting = [asyncio.ensure_future(refuse(number)) for number in range(20)]
    await asyncio.wait(waiting, timeout=0)
    asyncio.get_running_loop().call_soon(event, 0)
    await asyncio.wait(waiting)
    at = [order.index(f"event {number}") for number in range(4)]
    assert all(after - before <= 2 for before, after in itertools.pairwise(at)), order
    assert [item for item in order if item.startswith("refused")] == [f"refused {number}" for number in range(20)]


async def test_who_left_before_the_turn_holds_up_nobody() -> None:
    refusals = Refusals()
    gone, stays = (asyncio.ensure_future(refusals._turn()) for _ in range(2))
    await asyncio.wait([gone], timeout=0)
    gone.cancel()
    await asyncio.wait_for(stays, 20)


async def test_refusals_are_logged_together(
    full: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(refusal, "LOG_EVERY_S", 0.5)
    told = asyncio.Event()
    tell = Refusals._told

    def tells(self: Refusals) -> None:
        tell(self)
        told.set()

    monkeypatch.setattr(Refusals, "_told", tells)
    for _ in range(10):
        await full.ask("POST", "/v1/chat/completions", CHAT)
    await asyncio.wait_for(told.wait(), 20)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("hoshikage")]
    assert sum(int(line.split()[0]) for line in lines if line.endswith(" refused: queue_full")) in range(1, 11)
    assert not [line for line in lines if "POST" in line]


async def test_a_refusal_is_made_once(full: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    head = refusal._head
    monkeypatch.setattr(refusal, "_head", lambda *rest: made.append(1) or head(*rest))  # type: ignore[func-returns-value]
    for _ in range(20):
        await full.ask("POST", "/v1/chat/completions", CHAT)
    assert len(made) == 1


async def test_a_refusal_makes_few_calls(full: House) -> None:
    """A busy machine does not change this cost. A whole refusal is some hundred microseconds with aiohttp's own."""
    reader, writer = await opened(full, asking() * 4)
    for _ in range(4):
        await read_answer(reader)
    counts = {"call": 0}

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        counts["call"] += event == "call"

    rounds = 40
    sys.setprofile(count)
    try:
        for _ in range(rounds):
            writer.write(asking())
            await read_answer(reader)
    finally:
        sys.setprofile(None)
    writer.close()
    assert counts["call"] / rounds < CALLS, counts["call"] / rounds


def test_prepared_bytes_are_http() -> None:
    made = Refusals()
    error = QueueFull("dispatch.queue_full", bound=1, retry_after=2)
    form = refusal.Form("x", lambda error, request_id: json.dumps({"code": error.code, "id": request_id}).encode())

    async def content() -> bytes:
        return made.content(error, form, "req_" + "a" * 24, keep_alive=False)

    head, _, body = asyncio.run(content()).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 429 Too Many Requests"
    assert b"Content-Length: %d" % len(body) in lines
    assert b"x-request-id: req_" + b"a" * 24 in lines
    assert json.loads(body) == {"code": "queue_full", "id": "req_" + "a" * 24}
