"""Tests limits of use over HTTP: who is turned away, what everybody is told, and what is counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import openai
import pytest

from hoshikage import wire
from hoshikage.access.tokens import TokenStore
from hoshikage.http.rate_limits import duration
from hoshikage.settings import Settings
from tests.protocols.conftest import House, answer, finished, serving

CHAT = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]})


@pytest.fixture
async def limited(settings: Settings) -> AsyncIterator[House]:
    async with serving(replace(settings, rate_limit_requests=2)) as house:
        yield house


async def test_over_the_limit_is_429_with_the_wait(limited: House) -> None:
    for remaining in ("1", "0"):
        status, _, headers = await limited.chat(CHAT)
        assert (status, headers["x-ratelimit-limit-requests"]) == (200, "2")
        assert headers["x-ratelimit-remaining-requests"] == remaining
        assert headers["x-ratelimit-reset-requests"].endswith("s")
        assert "x-ratelimit-limit-tokens" not in headers
    async with limited.sdk() as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}], stream=True)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 30
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(limited.dispatcher.asked) == 2


async def test_looking_is_free_and_not_told_of(limited: House) -> None:
    for _ in range(5):
        for path in ("/v1/models", "/v1/status", "/health"):
            status, _, headers = await limited.ask("GET", path)
            assert status == 200
            assert not [name for name in headers if name.lower().startswith("x-ratelimit")]


async def test_each_token_has_its_own_and_made_up_ones_share(limited: House, settings: Settings) -> None:
    store = TokenStore(settings.token_file)
    keys = [store.create(name, "api") for name in ("one", "two")]
    for key in keys:
        statuses = [(await limited.chat(CHAT, Authorization=f"Bearer {key}"))[0] for _ in range(3)]
        assert statuses == [200, 200, 429]
    strangers = [(await limited.chat(CHAT, Authorization=f"Bearer made-up-{number}"))[0] for number in range(3)]
    assert strangers == [200, 200, 429]
    assert (await limited.chat(CHAT))[0] == 429


async def test_this_users_own_commands_have_none(limited: House, settings: Settings) -> None:
    token = settings.admin_token_file.read_text().strip()
    for _ in range(5):
        status, _, headers = await limited.chat(CHAT, Authorization=f"Bearer {token}")
        assert status == 200
        assert "x-ratelimit-limit-requests" not in headers


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_are_counted_when_they_are_known(settings: Settings, stream: bool) -> None:
    async with serving(replace(settings, rate_limit_tokens=10)) as house:
        body = json.dumps({**json.loads(CHAT), "stream": stream})
        async with house.session.post(
            f"{house.url}/v1/chat/completions", data=body, headers={"Content-Type": "application/json"}
        ) as response:
            assert (response.status, response.headers["x-ratelimit-limit-tokens"]) == (200, "10")
            await response.read()
        house.dispatcher.steps = [wire.Started(1, 5), finished(prompt_tokens=5, completion_tokens=3)]
        status, _, headers = await house.chat(CHAT)
        assert status == 200
        assert headers["x-ratelimit-remaining-tokens"] == "0", "8 and 8 of 10"
        status, body_, headers = await house.chat(CHAT)
        assert (status, body_["error"]["code"]) == (429, "rate_limit_exceeded")
        assert 30 <= int(headers["Retry-After"]) <= 43


async def test_a_client_that_leaves_is_charged_for_what_it_had(settings: Settings) -> None:
    async with serving(replace(settings, rate_limit_tokens=100)) as house:
        never = asyncio.Event()
        house.dispatcher.steps = [wire.Started(1, 70), wire.Token(1, "星", 1), wire.Token(1, "影", 20), never]
        async with house.sdk() as client:
            stream = await client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "x"}], stream=True
            )
            async for chunk in stream:
                if chunk.choices[0].delta.content == "影":
                    break
            await stream.close()
        await asyncio.wait_for(house.dispatcher.closed.wait(), 10)
        house.dispatcher.steps = answer("x")
        _, _, headers = await house.chat(CHAT)
        assert 10 <= int(headers["x-ratelimit-remaining-tokens"]) + 8 <= 14


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.25, "250ms"), (0.9996, "1s"), (7.5, "7.5s"), (60, "1m0s"), (90.25, "1m30.25s"), (3600, "60m0s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
