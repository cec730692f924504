"""Chat answers as the OpenAI SDK and a plain socket see them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from hoshikage import __version__, wire
from hoshikage.dispatch.client import Waiting
from hoshikage.dispatch.tries import Answering
from hoshikage.errors import (
    ContextLengthExceeded,
    LibraryUnavailable,
    ModelCrashed,
    NotSupported,
    QueueFull,
)
from hoshikage.http.keys import StreamTimeouts
from tests.protocols.conftest import House, answer, finished

TURNS: Any = [{"role": "user", "content": "こんにちは"}]
STREAM = json.dumps({"model": "tiny", "messages": TURNS, "stream": True})


async def events(house: House, body: str = STREAM, **headers: str) -> list[str]:
    """Returns the stream's events, comments included, as they were sent."""
    sent = {"Content-Type": "application/json", **headers}
    async with house.session.post(f"{house.url}/v1/chat/completions", data=body, headers=sent) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"
        text = (await response.read()).decode()
    assert text.endswith("\n\n")
    return text.removesuffix("\n\n").split("\n\n")


async def test_whole_answer(house: House) -> None:
    async with house.sdk() as client:
        got = await client.chat.completions.create(model="tiny", messages=TURNS)
    assert got.choices[0].message.content == "星影です"
    assert got.choices[0].message.role == "assistant"
    assert got.choices[0].finish_reason == "stop"
    assert got.usage is not None
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (5, 3, 8)
    assert got.model == "tiny"
    assert got.id.startswith("chatcmpl-")
    assert (got.system_fingerprint or "").startswith("hoshikage-")
    assert (got._request_id or "").startswith("req_")


async def test_answers_name_the_library_and_what_it_computes_on(house: House) -> None:
    house.dispatcher.steps = [Answering("v0.5.0+cuda"), *answer("星")]
    async with house.sdk() as client:
        whole = await client.chat.completions.create(model="tiny", messages=TURNS)
        stream = await client.chat.completions.create(model="tiny", messages=TURNS, stream=True)
        chunks = [chunk async for chunk in stream]
        text = await client.completions.create(model="tiny", prompt="x")
    named = {whole.system_fingerprint, text.system_fingerprint, *(chunk.system_fingerprint for chunk in chunks)}
    assert named == {f"hoshikage-{__version__}-v0.5.0+cuda"}


@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_stream_equals_whole(house: House, reason: wire.FinishReason) -> None:
    pieces = ["日本語", "と 🌟\n", '"quoted"', "\\ \u2028"]
    house.dispatcher.steps = answer(*pieces, reason=reason)
    async with house.sdk() as client:
        whole = await client.chat.completions.create(model="tiny", messages=TURNS)
        stream = await client.chat.completions.create(
            model="tiny", messages=TURNS, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert [delta.content for delta in deltas] == [None, *pieces, None]
    assert [delta.role for delta in deltas] == ["assistant", *[None] * (len(pieces) + 1)]
    assert "".join(pieces) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [*[None] * (len(pieces) + 1), reason]
    assert whole.choices[0].finish_reason == reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({(c.id, c.model, c.created, c.system_fingerprint) for c in chunks}) == 1


async def test_frames_of_a_stream(house: House) -> None:
    frames = await events(house)
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    assert frames[-1] == "data: [DONE]"
    choices = [json.loads(frame.removeprefix("data: "))["choices"] for frame in frames[:-1]]
    assert choices == [
        [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "星"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "影です"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    ]
    assert not any("usage" in json.loads(frame.removeprefix("data: ")) for frame in frames[:-1])


async def test_empty_answer_still_has_its_role(house: House) -> None:
    house.dispatcher.steps = answer()
    frames = await events(house)
    deltas = [json.loads(frame.removeprefix("data: "))["choices"][0]["delta"] for frame in frames[:-1]]
    assert deltas == [{"role": "assistant", "content": None}, {}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "kind", "code", "type_"),
    [
        (
            ContextLengthExceeded("engine.context_exceeded", param="messages", n_prompt_tokens=9000, n_ctx=4096),
            openai.BadRequestError,
            "context_length_exceeded",
            "exceed_context_size_error",
        ),
        (
            QueueFull("dispatch.queue_full", retry_after=7, bound=64),
            openai.RateLimitError,
            "queue_full",
            "rate_limit_error",
        ),
        (
            LibraryUnavailable("dispatch.shutting_down", retry_after=5),
            openai.InternalServerError,
            "library_unavailable",
            "unavailable_error",
        ),
        (RuntimeError("secret"), openai.InternalServerError, "internal_error", "server_error"),
    ],
)  # fmt: skip
async def test_an_early_failure_is_a_real_status(
    house: House, stream: bool, error: Exception, kind: type[openai.APIStatusError], code: str, type_: str
) -> None:
    house.dispatcher.steps = [Waiting(1), wire.Loading(0.5), wire.Started(1, 3), wire.Prefill(1, 3), error]
    async with house.sdk() as client:
        with pytest.raises(kind) as caught:
            await client.chat.completions.create(model="tiny", messages=TURNS, stream=stream)
    assert (caught.value.code, caught.value.type) == (code, type_)
    assert (caught.value.request_id or "").startswith("req_")
    assert "secret" not in caught.value.response.text
    body = json.loads(caught.value.response.text)["error"]
    assert set(body) >= {"message", "type", "param", "code"}
    if isinstance(error, ContextLengthExceeded):
        assert (body["n_prompt_tokens"], body["n_ctx"], body["param"]) == (9000, 4096, "messages")
    if isinstance(error, QueueFull | LibraryUnavailable):
        assert caught.value.response.headers["Retry-After"] == str(error.retry_after)
    if caught.value.status_code >= 500:
        assert body["request_id"] == caught.value.request_id


async def test_what_is_not_supported_is_not_retried(house: House) -> None:
    house.dispatcher.steps = [NotSupported("http.internal", request_id="x")]
    status, _, headers = await house.chat(json.dumps({"model": "tiny", "messages": TURNS}))
    assert (status, headers["x-should-retry"]) == (501, "false")


@pytest.mark.parametrize("final", [True, False])
async def test_who_crashed_the_model_for_certain_is_told_not_to_try_again(house: House, final: bool) -> None:
    crash = ModelCrashed("dispatch.crashed", reason="SIGSEGV")
    crash.final = final
    house.dispatcher.steps = [crash]
    status, _, headers = await house.chat(json.dumps({"model": "tiny", "messages": TURNS}))
    assert (status, headers.get("x-should-retry")) == (500, "false" if final else None)


async def test_a_late_failure_is_one_error_frame_without_done(house: House) -> None:
    crash = ModelCrashed("dispatch.crashed", reason="SIGSEGV")
    house.dispatcher.steps = [wire.Started(1, 5), wire.Token(1, "星", 1), crash]
    frames = await events(house)
    assert len(frames) == 3
    assert json.loads(frames[-1].removeprefix("data: "))["error"]["code"] == "model_crashed"
    async with house.sdk() as client:
        stream = await client.chat.completions.create(model="tiny", messages=TURNS, stream=True)
        seen = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
        with pytest.raises(openai.APIError) as caught:
            await anext(stream)
    assert seen == [None, "星"]
    assert caught.value.code == "model_crashed"


async def test_an_unexpected_late_failure_shows_nothing(house: House) -> None:
    house.dispatcher.steps = [wire.Started(1, 5), wire.Token(1, "星", 1), RuntimeError("secret")]
    frames = await events(house)
    assert json.loads(frames[-1].removeprefix("data: "))["error"]["code"] == "internal_error"
    assert "secret" not in "".join(frames)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("end", [[], [finished("cancelled")]])
async def test_an_answer_without_a_good_end_is_an_error(house: House, stream: bool, end: list[wire.Finished]) -> None:
    house.dispatcher.steps = [wire.Started(1, 5), *end]
    status, body, _ = await house.chat(json.dumps({"model": "tiny", "messages": TURNS, "stream": stream}))
    assert (status, body["error"]["code"]) == (500, "inference_failed")


@pytest.mark.parametrize("timeouts", [StreamTimeouts(commit_after=0, comment_every=0)])
@pytest.mark.parametrize(
    ("notes", "comment"),
    [
        ([], ": waiting"),
        ([Waiting(3)], ": queue 3"),
        ([Waiting(1), wire.Loading(0.456)], ": loading 45%"),
        ([wire.Started(1, 200), wire.Prefill(1, 100)], ": prefill 50%"),
    ],
)
async def test_silence_is_filled_with_comments(house: House, notes: list[Any], comment: str) -> None:
    gate = asyncio.Event()
    house.dispatcher.steps = [*notes, gate, *answer("星")]
    sent = {"Content-Type": "application/json"}
    async with house.session.post(f"{house.url}/v1/chat/completions", data=STREAM, headers=sent) as response:
        assert response.status == 200
        while (line := (await response.content.readline()).decode().strip()) != comment:
            assert line == "" or line.startswith(": ")
        gate.set()
        rest = (await response.read()).decode()
    data = [line for line in rest.splitlines() if line and not line.startswith(":")]
    assert len(data) == 4
    assert data[-1] == "data: [DONE]"
    assert rest.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("timeouts", [StreamTimeouts(commit_after=0, comment_every=60)])
async def test_a_failure_after_comments_is_an_error_frame(house: House) -> None:
    gate = asyncio.Event()
    house.dispatcher.steps = [Waiting(1), gate, QueueFull("dispatch.queue_full", bound=1)]
    async with house.session.post(
        f"{house.url}/v1/chat/completions", data=STREAM, headers={"Content-Type": "application/json"}
    ) as response:
        assert (await response.content.readline()).startswith(b": ")
        gate.set()
        rest = (await response.read()).decode().strip()
    assert json.loads(rest.removeprefix("data: "))["error"]["code"] == "queue_full"


async def test_the_language_of_a_message_follows_the_client(house: House) -> None:
    body = json.dumps({"model": "nobody", "messages": TURNS})
    status, japanese, _ = await house.chat(body)
    _, english, _ = await house.chat(body, **{"Accept-Language": "fr, en;q=0.8, ja;q=0.5"})
    assert status == 404
    assert "登録されていません" in japanese["error"]["message"]
    assert "tiny" in japanese["error"]["message"]
    assert "is not registered" in english["error"]["message"]
    assert japanese["error"]["code"] == english["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("stream", [False, True])
async def test_unknown_model(house: House, stream: bool) -> None:
    async with house.sdk() as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="other", messages=TURNS, stream=stream)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert house.dispatcher.asked == []
