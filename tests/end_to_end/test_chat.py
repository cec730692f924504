"""Tests the main job: the OpenAI SDK over a real server, a real libllama and real GGUF files."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.end_to_end.conftest import LABEL, messages_of
from tests.end_to_end.live import LiveServer

QUESTIONS = (
    "星影とは何ですか？",
    "こんにちは！",
    "What is Hoshikage?",
    "あなたは誰ですか？",
)


def ask(client: OpenAI, content: str, **more: Any) -> Any:
    return client.chat.completions.create(
        model=LABEL, messages=[{"role": "user", "content": content}], temperature=0, **more
    )


def golden_cases(golden: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(golden.read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_joined_stream_equals_the_whole_answer(client: OpenAI, question: str) -> None:
    whole = ask(client, question)
    chunks = list(ask(client, question, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    text = whole.choices[0].message.content
    assert text
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert whole.choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_tokens_split_japanese_characters_and_the_stream_never_does(client: OpenAI) -> None:
    answer = ask(client, "星影とは何ですか？", stream=True, stream_options={"include_usage": True})
    text, usage = "", None
    for chunk in answer:
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        usage = chunk.usage or usage
    assert usage is not None
    assert usage.completion_tokens > len(text), "the model has no token for a whole Japanese character"
    assert text.encode("utf-8").decode("utf-8") == text


def test_usage_and_text_are_those_of_the_golden_run(client: OpenAI, golden: Path) -> None:
    for case in golden_cases(golden):
        answer = client.chat.completions.create(
            model=LABEL,
            messages=messages_of(case["prompt"]),  # type: ignore[arg-type]
            temperature=0,
            max_tokens=len(case["ids"]),
        )
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == len(case["prompt_ids"])
        assert answer.usage.completion_tokens == len(case["ids"])
        assert answer.usage.total_tokens == len(case["prompt_ids"]) + len(case["ids"])


def test_max_tokens_ends_with_length(client: OpenAI) -> None:
    answer = ask(client, "星影とは何ですか？", max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5
    same = ask(client, "星影とは何ですか？", max_completion_tokens=5)
    assert same.choices[0].message.content == answer.choices[0].message.content


def test_without_max_tokens_an_endless_answer_fills_the_context(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="endless", messages=[{"role": "user", "content": "x " * 300}], temperature=0
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 1024


def test_a_stop_string_cuts_before_itself(client: OpenAI) -> None:
    whole = ask(client, "What is Hoshikage?").choices[0].message.content
    middle = whole[len(whole) // 2 :][:4]
    cut = ask(client, "What is Hoshikage?", stop=[middle])
    assert cut.choices[0].message.content == whole[: whole.index(middle)]
    assert cut.choices[0].finish_reason == "stop"
    streamed = ask(client, "What is Hoshikage?", stop=middle, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == whole[: whole.index(middle)]


def test_control_tokens_in_a_message_stay_text(client: OpenAI) -> None:
    plain = ask(client, "im_end", max_tokens=1).usage.prompt_tokens
    quoted = ask(client, "<|im_end|>", max_tokens=1).usage.prompt_tokens
    assert quoted > plain, "as a control token the longer text would have been one token"


def test_two_requests_of_one_seed_are_equal_and_greedy_has_no_memory_of_the_last(client: OpenAI) -> None:
    warm = {"model": LABEL, "messages": [{"role": "user", "content": "こんにちは"}], "seed": 7, "temperature": 1.5}
    first, second = (client.chat.completions.create(**warm) for _ in range(2))  # type: ignore[call-overload]
    assert first.choices[0].message.content == second.choices[0].message.content
    before = ask(client, "What is Hoshikage?").choices[0].message.content
    ask(client, "星影とは何ですか？")
    assert ask(client, "What is Hoshikage?").choices[0].message.content == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_over_the_context_is_a_400_with_both_numbers(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "星" * 2000, stream=stream)
    body: Any = refused.value.body
    assert refused.value.code == "context_length_exceeded"
    assert body["type"] == "exceed_context_size_error"
    assert body["n_prompt_tokens"] > body["n_ctx"] == 1024


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_a_404_that_names_the_known_ones(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "hi"}], stream=stream)
    assert unknown.value.code == "model_not_found"
    assert LABEL in unknown.value.message
    assert unknown.value.request_id


@pytest.mark.parametrize("stream", [False, True])
def test_a_malformed_body_is_a_400_that_names_the_place(client: OpenAI, stream: bool) -> None:
    malformed: Any = [{"role": "user"}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=LABEL, messages=malformed, stream=stream)
    assert refused.value.param == "messages[0].content"


def test_a_client_that_closes_in_mid_stream_frees_the_lane(client: OpenAI, server: LiveServer) -> None:
    """The endless answer would hold the only place for thousands of tokens; the next request must not wait for it."""
    stream = client.chat.completions.create(
        model="endless", messages=[{"role": "user", "content": "go"}], temperature=0, stream=True
    )
    next(iter(stream))
    stream.close()
    answer = client.chat.completions.create(
        model="endless", messages=[{"role": "user", "content": "go"}], temperature=0, max_tokens=1
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 1
    status = client.get("/status", cast_to=dict[str, Any])
    assert status["queue"] == {"slots": 1, "running": 0, "waiting": 0, "waiting_for": []}


def test_a_client_that_leaves_without_streaming_frees_the_lane_too(client: OpenAI, server: LiveServer) -> None:
    body = json.dumps({"model": "endless", "messages": [{"role": "user", "content": "go"}]}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
    answer = client.chat.completions.create(
        model="endless", messages=[{"role": "user", "content": "go"}], max_tokens=1, timeout=30
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 1


def test_models_are_listed_as_the_sdk_expects(client: OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert set(models) == {LABEL, "endless"}
    assert models[LABEL].owned_by == "tane"
    assert client.models.retrieve(LABEL) == models[LABEL]


def test_status_and_version_answer(client: OpenAI) -> None:
    ask(client, "こんにちは")
    status = client.get("/status", cast_to=dict[str, Any])
    assert status["status"] == "ok"
    assert status["model"]["state"] == "ready"
    assert status["model"]["id"] == LABEL
    assert status["library"]["version"] == "v0.5.0"
    assert set(client.get("/api/version", cast_to=dict[str, Any])) == {"version"}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_names_the_library_it_came_from(client: OpenAI, stream: bool) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model=LABEL, messages=[{"role": "user", "content": "こんにちは"}], max_tokens=2, stream=stream
    )
    assert answer.headers["X-Hoshikage-Library"] == "v0.5.0+cpu"
    assert "X-Hoshikage-Library" not in client.models.with_raw_response.list().headers
