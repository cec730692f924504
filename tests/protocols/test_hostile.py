"""Tests clients that would hold the server up: bodies of millions of values, and readers that do not read."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from typing import cast

import pytest

from hoshikage import wire
from hoshikage.errors import InvalidRequest, TemplateRefused
from hoshikage.http.bodies import MAX_BYTES
from hoshikage.http.json_body import MAX_INTEGERS, MAX_VALUES, parse
from hoshikage.http.keys import StreamTimeouts
from hoshikage.http.sse import _Watch
from tests.protocols.conftest import House, answer

PATIENCE_S = 20.0


@pytest.mark.parametrize(
    "unit",
    [b"[],", b"{},", b"1,", b'"",', b'"a\\"",', b"[[]],", b'{"":0},', b'"\\\\",', b"[{}],", b"null,", b'"[,{",'],
)  # fmt: skip
def test_millions_of_values_are_refused_early(unit: bytes) -> None:
    raw = b"[" + unit * ((MAX_BYTES - 2) // len(unit)) + b"0]"
    began = time.process_time()
    with pytest.raises(InvalidRequest) as caught:
        parse(raw)
    assert caught.value.key == "http.body_values"
    assert time.process_time() - began < 0.5, "to make all those values took 1.1 s"


@pytest.mark.parametrize("text", [",[{" * 1_000_000, '"\\' * 500_000, ",\\\\" * 300_000, '\\",' * 300_000])
def test_punctuation_in_a_long_text_is_text(text: str) -> None:
    raw = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    assert len(raw) <= MAX_BYTES
    assert parse(raw)["messages"][0]["content"] == text


@pytest.mark.parametrize("raw", [b'["' + b'\\"' * 1_000_000, b'"' * 3_000_000, b"\\" * 3_000_000, b'[",' * 1_000_000])
def test_what_does_not_end_is_refused_early_too(raw: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRequest):
        parse(raw)
    assert time.process_time() - began < 0.5


def test_a_refusal_tells_of_a_deep_place_its_beginning_and_its_end() -> None:
    schema: dict[str, object] = {}
    for depth in range(40, 0, -1):
        schema = {"properties": {f"a_property_with_a_name_{depth}": schema}}
    for short, tree in ((False, {"schema": schema}), (True, json.loads('{"a":' + "[" * 40 + "]" * 40 + "}"))):
        with pytest.raises(InvalidRequest) as caught:
            parse(json.dumps(tree).encode())
        place = str(caught.value.details["place"])
        assert (caught.value.key, caught.value.param) == ("http.body_depth", place)
        assert len(place) <= 243
        assert ("…" in place) is not short
        if not short:
            assert place.startswith("schema.properties.a_property_with_a_name_1.")
            assert place.endswith(".properties.a_property_with_a_name_15.properties")


def test_as_many_values_as_are_allowed() -> None:
    assert len(parse(b"[" + b"1," * (MAX_VALUES - 2) + b"1]")) == MAX_VALUES - 1


def test_a_prompt_of_token_ids_may_be_as_long_as_a_context() -> None:
    """Arrays of whole numbers have a limit of their own; anything else among them has the common one."""
    ids = b"[" + b"12, " * 300_000 + b"1]"
    assert len(parse(b'{"prompt": ' + ids + b', "model": "a[b"}')["prompt"]) == 300_001
    for raw in (
        b"[" + b"1," * MAX_INTEGERS + b"1,1]",
        b'["x",' + b"12," * 300_000 + b"1]",
        b"[" + b"1.5," * 300_000 + b"1]",
        b"[" + b"[1]," * 300_000 + b"[1]]",
    ):
        with pytest.raises(InvalidRequest) as refused:
            parse(raw)
        assert refused.value.key == "http.body_values"


@pytest.mark.parametrize("timeouts", [StreamTimeouts(stalled_after=0.4)])
async def test_a_reader_that_stalls_is_left(house: House) -> None:
    """It reads the first bytes and then nothing, while the answer goes on."""
    piece = "星" * 20_000
    house.dispatcher.steps = [wire.Started(1, 5), *[wire.Token(1, piece, count) for count in range(1, 2_000)]]
    body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", house.port)) as stalled:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        stalled.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
        await asyncio.wait_for(house.dispatcher.closed.wait(), PATIENCE_S)
    house.dispatcher.steps = answer("次")
    assert (await house.chat(json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]})))[0] == 200


class Draining:
    """This is a connection whose client takes as much between two looks as is told."""

    def __init__(self, *left: int) -> None:
        self._left = iter(left)
        self.looks = 0
        self.aborted = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        return next(self._left)

    def abort(self) -> None:
        self.aborted.set()


async def test_a_slow_reader_is_not_a_stalled_one() -> None:
    slow = Draining(100_000, 99_999, 50_000, 49_999, 49_999)
    _Watch(cast(asyncio.Transport, slow), 0.001)
    await asyncio.wait_for(slow.aborted.wait(), PATIENCE_S)
    assert slow.looks == 5, "left only when nothing at all was taken"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://evil.com/health", b"403"),
        (b"http://evil.com", b"403"),
        (b"http://me@127.0.0.1/health", b"403"),
        (b"http://127.0.0.1/health", b"200"),
        (b"http://[::1]:80/health", b"200"),
        (b"/health", b"200"),
    ],
)
async def test_a_whole_url_as_the_target_is_held_to_the_same_names(house: House, target: bytes, status: bytes) -> None:
    said = await exchange(house, b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert said.split()[1] == status


async def exchange(house: House, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


async def test_a_text_from_elsewhere_is_quoted_in_part(house: House) -> None:
    house.dispatcher.steps = [TemplateRefused("engine.template_refused", reason="x" * 10_000_000)]
    status, body, _ = await house.chat('{"model": "tiny", "messages": [{"role": "user", "content": "a"}]}')
    assert status == 400
    assert 2_000 < len(body["error"]["message"]) < 2_200


@pytest.mark.parametrize("sent", [b'{"model": "tiny"}', gzip.compress(b"{}", mtime=0)[:9]])
async def test_a_body_that_is_not_what_its_encoding_says(
    house: House, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    status, body, _ = await house.chat(sent, **{"Content-Encoding": "gzip", "Accept-Language": "en"})
    assert status == 400
    assert "could not be decoded" in body["error"]["message"]
    status, _, _ = await house.ask("GET", "/health")  # what is logged of the body is logged by now
    assert status == 200
    told = [record for record in caplog.records if "/health" not in record.getMessage()]
    assert [record.name for record in told].count("hoshikage.access") == 1
    assert sum("a request's body" in record.getMessage() for record in told) <= 1
    assert not any(record.exc_info or "tiny" in record.getMessage() for record in told)
