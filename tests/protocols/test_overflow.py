"""Tests a prompt that the context cannot hold: the words that agents look for come first, in every language and
protocol."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hoshikage import wire
from hoshikage.errors import ContextLengthExceeded
from hoshikage.http.error_response import message_of
from hoshikage.messages import Language
from tests.protocols.conftest import House, answer
from tests.protocols.field_values import BASES

CLAUDE = re.compile(r"prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)")
LLAMA = re.compile(r"^request \((\d+) tokens\) is too large: it exceeds the available context size \((\d+) tokens\)\. ")
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/completion", "/infill",
         "/api/chat", "/api/generate")  # fmt: skip


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_agents_know_the_words(house: House, path: str, stream: bool, language: str) -> None:
    house.dispatcher.steps = [ContextLengthExceeded("engine.context_exceeded", n_prompt_tokens=1531, n_ctx=1024)]
    body = json.dumps({**BASES[path], "model": "tiny", "stream": stream})
    headers = {"Content-Type": "application/json", "Accept-Language": language}
    status, told, _ = await house.ask("POST", path, body, **headers)
    error: Any = told["error"]
    message = error if isinstance(error, str) else error["message"]
    known = CLAUDE.match(message) if path == "/v1/messages" else LLAMA.match(message)
    assert status == 400
    assert known is not None, message
    assert (int(known[1]), int(known[2])) == (1531, 1024)
    assert ("トークン" in message) == (language == "ja"), "the helpful sentence follows in the reader's language"
    if path not in ("/v1/messages", "/api/chat", "/api/generate"):
        assert (error["code"], error["type"]) == ("context_length_exceeded", "exceed_context_size_error")
        assert (error["n_prompt_tokens"], error["n_ctx"]) == (1531, 1024)


@pytest.mark.parametrize(("language", "name"), [("ja", "USER_MANUAL.ja.md"), ("en", "USER_MANUAL.md")])
def test_the_manual_shows_the_words_as_they_are(language: Language, name: str) -> None:
    error = ContextLengthExceeded("engine.context_exceeded", n_prompt_tokens=6015, n_ctx=1024)
    manual = Path(__file__).parents[2] / "docs" / name
    assert message_of(error, language) in manual.read_text("utf-8").splitlines()


CHATS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat")
OWN = {"/v1/responses": {"truncation": "auto"}, "/api/chat": {"truncate": True}}
"""A protocol has these of its own for it."""


@pytest.mark.parametrize("path", CHATS)
async def test_a_request_may_ask_for_its_oldest_turns_to_go_and_is_told_how_many_went(house: House, path: str) -> None:
    house.dispatcher.steps = [wire.Started(1, 5, shifted=3), *answer("星")[1:]]
    for wish, expected in (
        ({}, None),
        ({"context_overflow": "shift"}, "shift"),
        ({"context_overflow": "error"}, "error"),
        *(((OWN[path], "shift"),) if path in OWN else ()),
    ):
        body = json.dumps({**BASES[path], "model": "tiny", "stream": False, **wish})
        status, told, headers = await house.ask("POST", path, body, **{"Content-Type": "application/json"})
        assert status == 200, told
        assert house.dispatcher.asked[-1][1].context_overflow == expected
        assert headers["X-Hoshikage-Shifted"] == "3"
