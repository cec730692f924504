"""Tests MEMORY_SUMMARY over a real server, in every protocol: the built-in model answers and makes the vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from hoshikage.registry import Registry, own_options
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ

pytestmark = pytest.mark.memory
TURNS: Final = [
    turn
    for number in range(30)
    for turn in (
        {"role": "user", "content": f"The number of box {number} is {number * 37}. What do you think of that?"},
        {"role": "assistant", "content": f"Box {number} is fine. There is much to say about boxes like this."},
    )
]
ASKED: Final = {"messages": [*TURNS, {"role": "user", "content": "And now?"}], "max_tokens": 4}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, library_file: Path, demo_model: Path) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    register(home, {LABEL: demo_model, "second": demo_model})
    registry = Registry(home / ".config" / "hoshikage" / "model_map.json")
    registry.add("plain", demo_model, (), own_options({"memory_summary": "off"}))
    registry.add_persona("poet", "plain", "Rhyme.", own_options({"memory_summary": "on"}))
    environ = home_environ(home, library_file, N_CTX="1024", MEMORY_SUMMARY="on", EMBEDDING_MODEL=LABEL)
    with LiveServer(environ) as live:
        yield live


def post(server: LiveServer, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, timeout=120)


def test_every_protocol_tells_how_many_turns_a_digest_stood_for(server: LiveServer) -> None:
    chat = post(server, "/v1/chat/completions", model=LABEL, **ASKED)
    assert chat.status_code == 200, chat.text
    turns = int(chat.headers["X-Hoshikage-Condensed"])
    assert 20 < turns < 60
    assert chat.json()["usage"]["prompt_tokens_details"]["condensed_turns"] == turns
    assert chat.json()["usage"]["prompt_tokens"] < 768
    told = [
        post(server, "/v1/responses", model=LABEL, input=ASKED["messages"], max_output_tokens=4),
        post(server, "/v1/messages", model=LABEL, **ASKED),
        post(server, "/api/chat", model=LABEL, messages=ASKED["messages"], stream=False, options={"num_predict": 4}),
    ]
    assert [one.headers["X-Hoshikage-Condensed"] for one in told] == [str(turns)] * 3
    responses, messages, ollama = (one.json() for one in told)
    assert responses["usage"]["input_tokens_details"]["condensed_turns"] == turns
    assert messages["usage"]["condensed_turns"] == turns
    assert ollama["condensed_turns"] == turns


def test_a_digest_comes_before_turns_are_left_out(server: LiveServer) -> None:
    def told(model: str) -> tuple[bool, bool]:
        answer = post(server, "/v1/chat/completions", model=model, context_overflow="shift", **ASKED)
        assert answer.status_code == 200, answer.text
        return "X-Hoshikage-Condensed" in answer.headers, "X-Hoshikage-Shifted" in answer.headers

    assert told(LABEL) == (True, False)
    assert told("plain") == (False, True)


def test_a_stream_has_the_header_before_its_first_piece(server: LiveServer) -> None:
    body = {"model": LABEL, "stream": True, **ASKED}
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=120) as answer:
        assert int(answer.headers["X-Hoshikage-Condensed"]) > 20


def test_the_request_wins_over_the_persona_over_the_model_over_the_setting(server: LiveServer) -> None:
    def turns(model: str, **more: Any) -> str | None:
        answer = post(server, "/v1/chat/completions", model=model, **ASKED, **more)
        if answer.status_code == 400:
            assert answer.json()["error"]["code"] == "context_length_exceeded"
            return None
        found: str | None = answer.headers.get("X-Hoshikage-Condensed")
        return found

    assert turns("plain") is None
    assert turns("poet") is not None
    assert turns("plain", memory={"summary": True}) is not None
    assert turns(LABEL, memory={"summary": False}) is None


def test_without_an_embedding_model_it_is_a_400_that_says_how_to_get_one(
    tmp_path: Path, library_file: Path, demo_model: Path
) -> None:
    register(tmp_path, {LABEL: demo_model})
    with LiveServer(home_environ(tmp_path, library_file, N_CTX="1024")) as live:
        refused = post(live, "/v1/chat/completions", model=LABEL, memory={"summary": True}, **ASKED)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "memory")
        assert "EMBEDDING_MODEL" in refused.json()["error"]["message"]


def test_an_embedding_model_that_is_not_there_costs_the_digest_and_not_the_answer(
    tmp_path: Path, library_file: Path, demo_model: Path
) -> None:
    register(tmp_path, {LABEL: demo_model})
    environ = home_environ(tmp_path, library_file, N_CTX="1024", EMBEDDING_MODEL="nobody", MEMORY_SUMMARY="on")
    with LiveServer(environ) as live:
        few = {"messages": [*TURNS[:24], {"role": "user", "content": "And now?"}], "max_tokens": 2}
        answer = post(live, "/v1/chat/completions", model=LABEL, **few)
        assert answer.status_code == 200, answer.text
        assert [one["code"] for one in answer.json()["warnings"]] == ["memory_unavailable"]
        assert "X-Hoshikage-Condensed" not in answer.headers
