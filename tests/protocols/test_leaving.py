"""A client that goes away frees its slot at once, in every phase."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from io import StringIO

import pytest

from hoshikage import logs, wire
from hoshikage.http.keys import REQUEST_ID
from hoshikage.settings import Settings
from tests.protocols.conftest import House, Step, answer

PATIENCE_S = 10.0


def phases() -> dict[str, list[Step]]:
    never = asyncio.Event()
    token = wire.Token(1, "星", 1)
    return {"queued": [never], "prefill": [wire.Started(1, 5), never], "decode": [wire.Started(1, 5), token, never]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("phase", ["queued", "prefill", "decode"])
async def test_a_gone_client_closes_its_notes(house: House, stream: bool, phase: str) -> None:
    house.dispatcher.steps = phases()[phase]
    body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": stream}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    await house.dispatcher.began.wait()
    if stream and phase == "decode":
        await reader.readuntil("星".encode())
    assert not house.dispatcher.closed.is_set()
    writer.close()
    await asyncio.wait_for(house.dispatcher.closed.wait(), PATIENCE_S)


async def test_a_client_that_leaves_by_the_sdk(house: House) -> None:
    house.dispatcher.steps = phases()["decode"]
    async with house.sdk() as client:
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "x"}], stream=True
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
    await asyncio.wait_for(house.dispatcher.closed.wait(), PATIENCE_S)


async def test_the_server_serves_on_after_a_client_left(house: House) -> None:
    await test_a_gone_client_closes_its_notes(house, stream=True, phase="decode")
    house.dispatcher.steps = answer("次")
    status, body, _ = await house.chat(json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]}))
    assert (status, body["choices"][0]["message"]["content"]) == (200, "次")


async def test_health_answers_while_others_wait(house: House) -> None:
    house.dispatcher.steps = phases()["queued"]
    waiting = asyncio.create_task(
        house.chat(json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]}))
    )
    await house.dispatcher.began.wait()
    async with house.session.get(f"{house.url}/health") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait_for(house.dispatcher.closed.wait(), PATIENCE_S)


async def test_malformed_http_is_refused_and_not_quoted_in_the_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of a prompt is read as the next request where its length is too short."""
    caplog.set_level(logging.DEBUG)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nsecret: words\r\n\r\n")
    answered = await reader.read()
    writer.close()
    assert answered.count(b" 400 Bad Request") == 1
    assert "http.bad_request" in caplog.text
    assert "ecret" not in caplog.text  # the length takes the first letter


async def test_logs_hold_ids_but_neither_prompt_nor_answer(house: House, settings: Settings) -> None:
    written = StringIO()
    house.dispatcher.steps = [*answer("ひみつの答え")[:-1], RuntimeError("broken")]
    with logs.running(replace(settings, log_level="debug"), logs.plain(written, {}), REQUEST_ID.get):
        _, _, headers = await house.chat(
            json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "ひみつの質問"}]})
        )
    request_id = headers["x-request-id"]
    lines = [line for line in written.getvalue().splitlines() if request_id in line]
    assert any("ERROR" in line and "unexpected error" in line for line in lines)
    assert any("POST /v1/chat/completions 500" in line for line in lines)
    assert "    RuntimeError: broken" in written.getvalue()
    assert "ひみつ" not in written.getvalue()
