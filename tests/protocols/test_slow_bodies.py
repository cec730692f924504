"""Tests bodies that come slowly, and many at once: bounded in time, and in bytes together."""

from __future__ import annotations

import asyncio
import io
import json
import threading

import pytest

from hoshikage import heap
from hoshikage.http import bodies
from tests.protocols.conftest import House
from tests.protocols.test_connections import HEAD, ended, opened, read_answer

PATH = b"/v1/chat/completions"


def chat(size: int) -> bytes:
    """Makes a body of about that size."""
    return json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x" * size}]}).encode()


def announced(size: int) -> bytes:
    return HEAD % PATH + b"Content-Length: %d\r\n\r\n" % size


@pytest.mark.parametrize("sent", [b"", b'{"model"'])
async def test_who_announces_a_body_and_sends_none_is_told_and_left(
    house: House, monkeypatch: pytest.MonkeyPatch, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(bodies, "LOOK_EVERY_S", 0.05)
    reader, writer = await opened(house, announced(500) + sent)
    head, _, body = (await ended(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"]["code"] == "request_timeout"
    assert not any(record.exc_info for record in caplog.records)
    writer.close()


async def test_a_body_has_a_total_time_however_fast_it_comes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(bodies, "MIN_RATE", 0)
    monkeypatch.setattr(bodies, "MAX_BODY_S", 0.1)
    reader, writer = await opened(house, announced(500))
    assert b"HTTP/1.1 408 " in await ended(reader)
    writer.close()


async def test_a_process_that_did_not_run_blames_no_body(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    look = bodies.Bodies._look

    def looked(self: bodies.Bodies, body: bodies._Body, before: int) -> None:
        monkeypatch.setattr(bodies, "LOOK_EVERY_S", 60)
        look(self, body, before)
        looks.append(body.began)
        has_looked.set()

    has_looked, began = asyncio.Event(), asyncio.Event()
    watch = bodies.Bodies._watch

    def watched(self: bodies.Bodies, body: bodies._Body) -> None:
        watch(self, body)
        looks.append(body.began)
        began.set()

    monkeypatch.setattr(bodies.Bodies, "_look", looked)
    monkeypatch.setattr(bodies.Bodies, "_watch", watched)
    monkeypatch.setattr(bodies, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(bodies, "LATE_S", 0.1)
    monkeypatch.setattr(bodies, "MAX_BODY_S", 0.2)
    whole = chat(10)
    reader, writer = await opened(house, announced(len(whole)))
    await began.wait()
    threading.Event().wait(0.5)  # nothing in this process runs
    await asyncio.wait_for(has_looked.wait(), 20)
    assert looks[-1] - looks[0] > 0.4, "its time does not count what was a pause"
    writer.write(whole)
    assert b" 200 " in await read_answer(reader)
    writer.close()


async def test_bodies_together_are_bounded_and_the_one_that_holds_things_up_goes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES_TOGETHER", 300_000)
    monkeypatch.setattr(bodies, "CROWDED_S", 0.05)
    maximum = 0
    crowded = bodies.Bodies._is_crowded

    def looked(self: bodies.Bodies, body: bodies._Body) -> bool:
        nonlocal maximum
        maximum = max(maximum, self.held)
        return crowded(self, body)

    monkeypatch.setattr(bodies.Bodies, "_is_crowded", looked)
    slow, slow_out = await opened(house, announced(1_000_000) + b" " * 250_000)
    whole = chat(200_000)
    others = [await opened(house, announced(len(whole)) + whole) for _ in range(8)]
    for reader, writer in others:
        assert b" 200 " in await read_answer(reader)
        writer.close()
    assert b" 408 " in await ended(slow)
    slow_out.close()
    part = 256 * 1024
    assert maximum <= 300_000 + len(whole) + (len(others) + 1) * part, "the eldest, and a part of each of the others"


async def test_a_body_ends_where_its_client_leaves_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    ended_body = bodies.Bodies._wake

    def woke(self: bodies.Bodies) -> None:
        held.append(self.held)
        left.set()
        ended_body(self)

    left = asyncio.Event()
    monkeypatch.setattr(bodies.Bodies, "_wake", woke)
    _, writer = await opened(house, announced(1_000_000) + b" " * 100_000)
    await writer.drain()
    writer.transport.abort()
    await asyncio.wait_for(left.wait(), 20)
    assert held == [0]


@pytest.fixture
async def trims(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[None]:
    """One item for each time memory is given back."""
    found: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(heap, "trim", lambda: loop.call_soon_threadsafe(found.put_nowait, None))
    monkeypatch.setattr(bodies, "TRIM_AFTER_S", 0.01)
    return found


async def test_what_large_bodies_took_is_given_back(house: House, trims: asyncio.Queue[None]) -> None:
    status, _, _ = await house.chat(io.BytesIO(chat(1_500_000)))
    assert status == 200
    await asyncio.wait_for(trims.get(), 20)


def test_giving_back_is_harmless() -> None:
    heap.trim()
    heap.trim()
