"""Tests malformed and refused bodies: each a 400 that names the place, in both languages, streamed or not."""

from __future__ import annotations

import gzip
import json
import re
from io import BytesIO
from typing import Any

import openai
import pytest

from hoshikage.http.bodies import MAX_BYTES
from tests.protocols.conftest import House

TURN = {"role": "user", "content": "x"}
GOOD: dict[str, Any] = {"model": "tiny", "messages": [TURN]}
TYPE_WORDS = {"string", "array", "object", "integer", "number", "boolean", "null"}
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


def with_turn(**changes: Any) -> dict[str, Any]:
    return GOOD | {"messages": [TURN | changes]}


SHAPES: list[tuple[Any, str | None]] = [
    ({"model": "tiny"}, "messages"),
    (GOOD | {"messages": None}, "messages"),
    (GOOD | {"messages": "hello"}, "messages"),
    (GOOD | {"messages": []}, "messages"),
    (GOOD | {"messages": [TURN] * 2049}, "messages"),
    (GOOD | {"messages": [123]}, "messages[0]"),
    (GOOD | {"messages": [{}]}, "messages[0].role"),
    (GOOD | {"messages": [TURN, {"role": "user"}]}, "messages[1].content"),
    (with_turn(role=1), "messages[0].role"),
    (with_turn(role=["user"]), "messages[0].role"),
    (with_turn(role="robot"), "messages[0].role"),
    (with_turn(content=5), "messages[0].content"),
    (with_turn(content=None), "messages[0].content"),
    (with_turn(content={"type": "text", "text": "x"}), "messages[0].content"),
    (with_turn(content=[5]), "messages[0].content[0]"),
    (with_turn(content=[{"text": "x"}]), "messages[0].content[0].type"),
    (with_turn(content=[{"type": "text"}]), "messages[0].content[0].text"),
    (with_turn(tool_calls=[{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
     "messages[0].tool_calls"),
    (with_turn(role="assistant", tool_calls=[{"id": "a", "type": "magic", "function": {}}]),
     "messages[0].tool_calls[0].type"),
    (GOOD | {"samplers": [5]}, "samplers[0]"),
    (GOOD | {"temperature": True}, "temperature"),
    (GOOD | {"temperature": "0.5"}, "temperature"),
    (GOOD | {"temperature": 101}, "temperature"),
    (GOOD | {"top_p": 1.5}, "top_p"),
    (GOOD | {"min_p": 2}, "min_p"),
    (GOOD | {"repeat_last_n": -2}, "repeat_last_n"),
    (GOOD | {"frequency_penalty": 2.5}, "frequency_penalty"),
    (GOOD | {"presence_penalty": -2.5}, "presence_penalty"),
    (GOOD | {"seed": 1.5}, "seed"),
    (GOOD | {"seed": True}, "seed"),
    (GOOD | {"max_tokens": True}, "max_tokens"),
    (GOOD | {"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
    (GOOD | {"stop": ["a"] * 65}, "stop"),
    (GOOD | {"stop": ["a", 1]}, "stop[1]"),
    (GOOD | {"stop": "あ" * 86}, "stop"),
    (GOOD | {"stop": ["a", "あ" * 86]}, "stop[1]"),
    (GOOD | {"n": 0}, "n"),
    (GOOD | {"stream": "yes"}, "stream"),
    (GOOD | {"stream_options": []}, "stream_options"),
    (GOOD | {"response_format": {"type": "yaml"}}, "response_format.type"),
    (GOOD | {"response_format": "json"}, "response_format"),
    (GOOD | {"top_logprobs": 21}, "top_logprobs"),
    (GOOD | {"top_logprobs": 3}, "top_logprobs"),
    (GOOD | {"logprobs": False, "top_logprobs": 3}, "top_logprobs"),
    (GOOD | {"logit_bias": {str(token): 1 for token in range(1025)}}, "logit_bias"),
    (GOOD | {"typical_p": 1.1}, "typical_p"),
    (GOOD | {"top_n_sigma": -2}, "top_n_sigma"),
    (GOOD | {"xtc_probability": -1}, "xtc_probability"),
    (GOOD | {"dry_multiplier": -1}, "dry_multiplier"),
    (GOOD | {"dry_sequence_breakers": [""]}, "dry_sequence_breakers[0]"),
    (GOOD | {"dry_sequence_breakers": ["x"] * 33}, "dry_sequence_breakers"),
    (GOOD | {"mirostat": 3}, "mirostat"),
    (GOOD | {"ignore_eos": 1}, "ignore_eos"),
    (GOOD | {"n": 9}, "n"),
    (GOOD | {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    (GOOD | {"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}},
     "response_format.json_schema.schema"),
    (GOOD | {"response_format": {"type": "json_object"}, "grammar": 'root ::= "x"'}, "grammar"),
    (GOOD | {"json_schema": {}, "ignore_eos": True}, "ignore_eos"),
    (GOOD | {"json_schema": {"const": "x" * 2**18}}, "json_schema"),
    (GOOD | {"grammar": "#" * (2**16 + 1)}, "grammar"),
    (GOOD | {"chat_template_kwargs": []}, "chat_template_kwargs"),
    (GOOD | {"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs.messages"),
    (GOOD | {"chat_template_kwargs": {"bos_token": "x"}}, "chat_template_kwargs.bos_token"),
    (GOOD | {"chat_template_kwargs": {"a b": 1}}, "chat_template_kwargs.a b"),
    (GOOD | {"continue_final_message": True}, "continue_final_message"),
    (with_turn(role="assistant") | {"continue_final_message": True, "add_generation_prompt": True},
     "continue_final_message"),
    (GOOD | {"reasoning_effort": "enormous"}, "reasoning_effort"),
    (GOOD | {"verbosity": "chatty"}, "verbosity"),
    (GOOD | {"prediction": {"type": "video", "content": "x"}}, "prediction.type"),
    (GOOD | {"timings": "yes"}, "timings"),
    ([GOOD], None),
    ("hello", None),
    (None, None),
]  # fmt: skip

TEXTS: list[tuple[bytes, str | None]] = [
    (b"", None),
    (b"{", None),
    (b'{"model": "tiny",}', None),
    (b"NaN", None),
    (b"\xef\xbb\xbf{}", None),
    (b'{"model": "\xff"}', None),
    (json.dumps(GOOD).encode("utf-16"), None),
    (b'{"model":"tiny","model":"tiny","messages":[]}', None),
    (b'{"model":"tiny","messages":[{"role":"user","role":"system","content":"x"}]}', "messages[0]"),
    (b'{"model":"tiny","messages":[{"role":"user","content":"x"}],"temperature":NaN}', "temperature"),
    (b'{"model":"tiny","messages":[{"role":"user","content":"x"}],"temperature":-Infinity}', "temperature"),
    (b'{"model":"tiny","messages":[{"role":"user","content":"x"}],"temperature":1e999}', "temperature"),
    (b'{"model":"tiny","messages":[{"role":"user","content":"x"}],"seed":' + b"9" * 5000 + b"}", "seed"),
    (b'{"model":"tiny","messages":[{"role":"user","content":"\\ud83d"}]}', "messages[0].content"),
    (b'{"model":"tiny","\\udc00":1}', None),
    (b'{"x":' + b"[" * 32 + b"]" * 32 + b"}", "x" + "[0]" * 31),
    (b"[" * 100_000, None),
    (b"[" * 100_000 + b"]" * 100_000, None),
    (b'{"a":' * 100_000, None),
]

UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy"}}, "audio"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"messages": [TURN | {"content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
     "messages[0].content[0].type"),
]  # fmt: skip

HARMLESS: list[dict[str, Any]] = [
    {"store": True, "service_tier": "flex", "verbosity": "low", "reasoning_effort": "high", "cache_prompt": True},
    {"prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]}, "prompt_cache_key": "a"},
    {"user": "me", "metadata": {"a": "b"}, "safety_identifier": "x", "parallel_tool_calls": True, "no_such_field": [1]},
    {"store": False, "service_tier": "auto", "logprobs": False, "n": 1, "tools": [], "tool_choice": "auto"},
    {"response_format": {"type": "text"}, "modalities": ["text"], "logit_bias": {}, "stream_options": {}},
    dict.fromkeys(
        ["temperature", "top_p", "seed", "stop", "max_tokens", "stream", "stream_options", "tools", "n", "audio",
         "response_format", "logit_bias", "logprobs", "tool_choice", "samplers", "mirostat", "json_schema",
         "timings", "function_call", "modalities", "grammar"]
    ),
    {"messages": [{"role": "assistant", "content": "x", "refusal": None, "tool_calls": None, "annotations": []}]},
]  # fmt: skip


def check_error(error: dict[str, Any], param: str | None, code: str) -> None:
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


@pytest.mark.parametrize(("shape", "param"), SHAPES, ids=lambda value: json.dumps(value)[:60])
async def test_wrong_shapes(house: House, shape: Any, param: str | None) -> None:
    for extra in ({}, {"stream": True}):
        sent = {**extra, **shape} if isinstance(shape, dict) else shape
        status, japanese, _ = await house.chat(json.dumps(sent))
        assert status == 400
        check_error(japanese["error"], param, "validation_error")
        _, english, _ = await house.chat(json.dumps(sent), **{"Accept-Language": "en"})
        check_error(english["error"], param, "validation_error")
    message = japanese["error"]["message"]
    assert JAPANESE.search(message)
    assert not JAPANESE.search(english["error"]["message"].replace("あ", ""))
    own = "body max_tokens max_completion_tokens tool_calls UTF-8 schema add_generation_prompt"
    known = TYPE_WORDS | set(re.findall("[a-z]+", f"{param} {own} {json.dumps(sent)[:1000]}"))
    if "使える値" not in message:  # a list of allowed words is the same in every language
        assert set(re.findall("[a-z]{2,}", message)) <= known | {"null", "assistant", "role"}
    assert house.dispatcher.asked == []


@pytest.mark.parametrize(("text", "param"), TEXTS, ids=lambda value: repr(value)[:50])
async def test_wrong_json(house: House, text: bytes, param: str | None) -> None:
    status, body, _ = await house.chat(text)
    assert status == 400
    check_error(body["error"], param, "validation_error")
    assert JAPANESE.search(body["error"]["message"])
    assert len(body["error"]["message"]) < 300


@pytest.mark.parametrize(("extra", "param"), UNSUPPORTED, ids=lambda value: json.dumps(value)[:50])
async def test_what_cannot_be_honoured_is_refused_by_name(house: House, extra: dict[str, Any], param: str) -> None:
    for stream in (False, True):
        status, body, _ = await house.chat(json.dumps(GOOD | extra | {"stream": stream}))
        assert status == 400
        check_error(body["error"], param, "unsupported_parameter")
        assert param in body["error"]["message"]


@pytest.mark.parametrize("extra", HARMLESS, ids=lambda value: json.dumps(value)[:50])
async def test_what_changes_nothing_is_accepted(house: House, extra: dict[str, Any]) -> None:
    status, body, _ = await house.chat(json.dumps(GOOD | extra))
    assert (status, body.get("error")) == (200, None)


async def test_a_whole_32_levels_are_accepted(house: House) -> None:
    deepest = json.loads("[" * 31 + "]" * 31)
    status, body, _ = await house.chat(json.dumps(GOOD | {"unknown": deepest}))
    assert (status, body.get("error")) == (200, None)


MEDIA_TYPES = ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream", ""]


@pytest.mark.parametrize("content_type", MEDIA_TYPES)
async def test_programs_may_send_json_under_any_name(house: House, content_type: str) -> None:
    status, body, _ = await house.chat(json.dumps(GOOD), **{"Content-Type": content_type})
    assert (status, body.get("error")) == (200, None)


@pytest.mark.parametrize(
    "sent", [{"Origin": "http://localhost:3000"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
@pytest.mark.parametrize("content_type", MEDIA_TYPES)
async def test_a_browser_must_declare_json(house: House, content_type: str, sent: dict[str, str]) -> None:
    """It sends other types across sites without asking first."""
    status, body, _ = await house.chat(json.dumps(GOOD), **{"Content-Type": content_type, **sent})
    assert (status, body["error"]["code"]) == (415, "unsupported_media_type")


async def test_another_charset_is_refused(house: House) -> None:
    status, body, _ = await house.chat(json.dumps(GOOD), **{"Content-Type": "application/json; charset=latin-1"})
    assert (status, body["error"]["code"]) == (415, "unsupported_media_type")


async def test_json_with_its_charset_is_accepted(house: House) -> None:
    status, _, _ = await house.chat(json.dumps(GOOD), **{"Content-Type": "application/json; charset=UTF-8"})
    assert status == 200


@pytest.mark.parametrize("excess", [0, 1])
async def test_the_size_limit(house: House, excess: int) -> None:
    body = json.dumps(GOOD).encode()
    status, answered, _ = await house.chat(BytesIO(body + b" " * (MAX_BYTES - len(body) + excess)))
    assert (status, answered.get("error", {}).get("code")) == ((413, "body_too_large") if excess else (200, None))


async def test_a_compressed_body_cannot_pass_the_size_limit(house: House) -> None:
    packed = gzip.compress(json.dumps(GOOD).encode() + b" " * MAX_BYTES)
    status, body, _ = await house.chat(packed, **{"Content-Encoding": "gzip"})
    assert (status, body["error"]["code"]) == (413, "body_too_large")


async def test_the_sdk_raises_bad_request_with_its_fields(house: House) -> None:
    async with house.sdk() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "x"}], stream=True, temperature=900
            )
    assert (caught.value.param, caught.value.code) == ("temperature", "validation_error")
    assert caught.value.type == "invalid_request_error"
