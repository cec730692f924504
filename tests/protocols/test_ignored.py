"""What nobody obeys is named: in a header of the answer, on every protocol, and in a debug line."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from hoshikage.answer.schema import chat
from hoshikage.http.ignored import HEADER, MAX_CHARACTERS, MAX_NAMES, Ignored
from hoshikage.http.unknown_fields import idle_fields, unknown_fields
from hoshikage.protocols.anthropic import messages_schema
from hoshikage.protocols.ollama import ollama_schema
from hoshikage.protocols.openai import responses_schema
from hoshikage.settings import Settings
from tests.protocols.conftest import House
from tests.protocols.field_values import BASES, USER, Body

JSON = {"Content-Type": "application/json"}
PROMPTS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/completion", "/infill",
           "/api/generate", "/api/chat")  # fmt: skip


async def ignored(house: House, path: str, body: Body) -> str | None:
    async with house.session.post(house.url + path, data=json.dumps(body), headers=JSON) as response:
        assert response.status == 200, await response.text()
        return response.headers.get(HEADER)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PROMPTS)
async def test_an_unknown_field_is_named_on_every_protocol(house: House, path: str, stream: bool) -> None:
    body = {**BASES[path], "model": "tiny", "stream": stream}
    assert await ignored(house, path, body) is None
    assert await ignored(house, path, {**body, "brand_new": {"x": 1}}) == "brand_new"


async def test_fields_without_effect_are_named(house: House) -> None:
    path = "/v1/chat/completions"
    assert await ignored(house, path, {**BASES[path], "user": "u", "store": None}) == "user"
    assert await ignored(house, path, {**BASES[path], "reasoning_format": "none"}) == "reasoning_format"
    nested = {**BASES[path], "stream_options": {"include_obfuscation": False}}
    assert await ignored(house, path, nested) == "stream_options.include_obfuscation"


async def test_a_debug_line_names_them(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="hoshikage.server")
    path = "/v1/chat/completions"
    await ignored(house, path, {**BASES[path], "brand_new": 1, "user": "u"})
    assert [record.getMessage() for record in caplog.records if "ignored" in record.getMessage()] == [
        "ignored: brand_new, user"
    ]


async def test_what_a_client_calls_a_field_cannot_forge_a_header(house: House) -> None:
    path = "/v1/chat/completions"
    told = await ignored(house, path, {**BASES[path], "a\r\nSet-Cookie: x=1": 1, "星": 2})
    assert told == "a??Set-Cookie: x=1, ?"
    assert await ignored(house, path, {**BASES[path], "x" * 500: 1}) == "x" * MAX_CHARACTERS
    many = await ignored(house, path, {**BASES[path], **{f"f{n:03}": 1 for n in range(MAX_NAMES + 5)}})
    assert many is not None
    assert many.split(", ") == [*(f"f{n:03}" for n in range(MAX_NAMES)), "..."]


async def test_what_is_done_to_a_slot_names_them_too(house: House, settings: Settings) -> None:
    token = settings.admin_token_file.read_text().strip()
    body = json.dumps({"filename": "a", "brand_new": 1})
    path = "/slots/0?action=save"
    status, _, headers = await house.ask("POST", path, body, **JSON, Authorization=f"Bearer {token}")
    assert (status, headers[HEADER]) == (501, "brand_new")


@pytest.mark.parametrize(
    ("kind", "tree", "places"),
    [
        (chat.ChatBody, {"messages": [USER, {**USER, "cache_control": {}, "content": [{"type": "text", "id": 1}]}]},
         ["messages[].cache_control", "messages[].content[].id"]),
        (chat.ChatBody, {"metadata": {"anything": 1}, "chat_template_kwargs": {"x": 1}, "response_format": None}, []),
        (chat.ChatBody, {"stream_options": {"continuous_usage_stats": True}, "messages": "no list"},
         ["stream_options.continuous_usage_stats"]),
        (messages_schema.MessagesBody, {"messages": [{"content": [{"content": [{"cache_control": 1}], "new": 1}]}],
                                        "tools": [{"name": "a", "cache_control": {}, "max_uses": 1}]},
         ["messages[].content[].new", "tools[].max_uses"]),
        (chat.ChatBody, {"messages": [{**USER, "content": [{"type": "text", "text": "a", "cache_control": {}}]}]}, []),
        (responses_schema.ResponsesBody, {"input": [{"id": "1", "status": "completed", "new": 1, "content": [
            {"type": "output_text", "text": "a", "annotations": [], "logprobs": [], "newer": 1}]}]},
         ["input[].content[].newer", "input[].new"]),
        (ollama_schema.ChatRequest, {"options": {"num_ctx": 1, "seed": 1}}, ["options.num_ctx"]),
        (chat.ChatBody, [1], []),
    ],
)  # fmt: skip
def test_unknown_fields_are_found_at_any_depth(kind: type[Any], tree: Any, places: list[str]) -> None:
    assert unknown_fields(tree, kind, maximum=9) == places


def test_the_walk_is_bounded() -> None:
    tree = {"messages": [{f"x{n}": 1} for n in range(1000)]}
    assert len(unknown_fields(tree, chat.ChatBody, maximum=5)) == 5


def test_idle_fields_are_those_that_are_given() -> None:
    reasons = {"user": "r", "stream_options.include_obfuscation": "r", "a.b": "r"}
    tree = {"user": None, "stream_options": {"include_obfuscation": False}, "a": 1}
    assert list(idle_fields(tree, reasons)) == ["stream_options.include_obfuscation"]


def test_places_are_told_once() -> None:
    found = Ignored()
    found.update(["tools[4]: web_search", "b", "tools[4]: web_search"])
    assert str(found) == "tools[4]: web_search, b"
