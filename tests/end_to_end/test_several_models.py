"""Tests several models in one server: chats and embeddings by turns, words beside an answer, two chats at once."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ
from tests.small_models import write_encoder

HELLO = [{"role": "user", "content": "What is Hoshikage?"}]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, demo_model: Path, endless_model: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    encoder, ranker = write_encoder(folder / "encoder.gguf", 1), write_encoder(folder / "ranker.gguf", 4)
    return {LABEL: demo_model, "endless": endless_model, "encoder": encoder, "ranker": ranker}


@pytest.fixture
def plain(tmp_path: Path, library_file: Path, models: dict[str, Path]) -> Iterator[LiveServer]:
    """Runs a server as it is without any setting."""
    register(tmp_path, models)
    with LiveServer(home_environ(tmp_path, library_file)) as live:
        yield live


def post(server: LiveServer, path: str, **body: Any) -> Any:
    asked = urllib.request.Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(asked, timeout=60)


def ask(server: LiveServer, path: str, **body: Any) -> Any:
    with post(server, path, **body) as answer:
        return json.load(answer)


def test_chats_and_embeddings_by_turns_cause_one_load_each(plain: LiveServer) -> None:
    for _ in range(3):
        ask(plain, "/v1/chat/completions", model=LABEL, messages=HELLO, max_tokens=2)
        ask(plain, "/v1/embeddings", model="encoder", input="star night")
        ask(plain, "/v1/rerank", model="ranker", query="star", documents=["night", "day"])
    found = plain.status()
    assert found["totals"]["loads"] == 3
    assert {one["model"]: one["kind"] for one in found["runners"]} == {
        LABEL: "chat",
        "encoder": "embeddings",
        "ranker": "rerank",
    }
    assert len({one["pid"] for one in found["runners"]}) == 3
    assert found["model"]["id"] == LABEL
    running = json.load(urllib.request.urlopen(f"{plain.url}/api/ps"))["models"]
    assert {one["name"] for one in running} == {LABEL, "encoder", "ranker"}


def test_words_wait_for_no_answer_and_change_no_model(plain: LiveServer) -> None:
    counted = ask(plain, "/v1/chat/completions", model=LABEL, messages=HELLO, max_tokens=1)["usage"]["prompt_tokens"]
    with post(plain, "/v1/completions", model="endless", prompt="a", stream=True, max_tokens=100_000) as answer:
        assert answer.readline().startswith(b"data:")
        for label in (LABEL, "endless"):
            tokens = ask(plain, "/tokenize", model=label, content="Hello")["tokens"]
            assert ask(plain, "/detokenize", model=label, tokens=tokens) == {"content": "Hello"}
        told = ask(plain, "/v1/messages/count_tokens", model=LABEL, messages=HELLO)
        assert told == {"input_tokens": counted}
        assert "Hoshikage" in ask(plain, "/apply-template", model=LABEL, messages=HELLO)["prompt"]
        found = plain.status()
        assert (found["model"]["id"], found["queue"]["running"], found["queue"]["waiting"]) == ("endless", 1, 0)
        assert {one["kind"]: one["model"] for one in found["runners"]} == {"chat": "endless", "vocabulary": LABEL}
        assert answer.readline() is not None


def test_two_models_for_chats_answer_at_once(tmp_path: Path, library_file: Path, models: dict[str, Path]) -> None:
    register(tmp_path, models)
    with (
        LiveServer(home_environ(tmp_path, library_file, MAX_MODELS="2")) as server,
        post(server, "/v1/completions", model="endless", prompt="a", stream=True, max_tokens=100_000) as answer,
    ):
        assert answer.readline().startswith(b"data:")
        told = ask(server, "/v1/chat/completions", model=LABEL, messages=HELLO, max_tokens=4, ttl=600)
        assert told["choices"][0]["message"]["content"]
        found = {one["model"]: one for one in server.status()["runners"]}
        assert found.keys() == {LABEL, "endless"}
        assert found["endless"]["running"] == 1
        assert 590 < found[LABEL]["unload_in"] <= 600
