"""Tests tools over a real server and library: what a grammar forces is a call whose arguments fit the function's
schema."""

from __future__ import annotations

import json
from typing import Any, Final

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.end_to_end.conftest import LABEL

WEATHER: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "天気を調べます。",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": ["東京", "大阪"]},
                "days": {"$ref": "#/$defs/days"},
            },
            "required": ["city", "days"],
            "additionalProperties": False,
            "$defs": {"days": {"type": "integer", "minimum": 1, "maximum": 9}},
        },
    },
}
TIME: Final[dict[str, Any]] = {
    "type": "function",
    "function": {"name": "time", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}},
}
USER: Final[Any] = {"role": "user", "content": "東京の天気は？"}
NAMED: Final = {"type": "function", "function": {"name": "weather"}}


class Place(BaseModel):
    city: str


def ask(client: OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(
        **{"model": LABEL, "messages": [USER], "temperature": 0, "max_tokens": 200, **more}
    )


def check(call: Any) -> None:
    arguments = json.loads(call.function.arguments)
    assert arguments["city"] in ("東京", "大阪")
    assert 1 <= arguments["days"] <= 9


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_call_is_forced(client: OpenAI, choice: Any) -> None:
    whole = ask(client, tools=[WEATHER], tool_choice=choice, parallel_tool_calls=False).choices[0]
    assert (whole.finish_reason, whole.message.content) == ("tool_calls", None)
    (call,) = whole.message.tool_calls
    assert call.function.name == "weather"
    check(call)
    asked: Any = {"tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": False, "temperature": 0}
    with client.chat.completions.stream(model=LABEL, messages=[USER], **asked) as stream:
        streamed: Any = stream.get_final_completion()
    assert streamed.choices[0].message.tool_calls[0].function.arguments == call.function.arguments


PATH: Final[dict[str, Any]] = {
    "name": "path",
    "parameters": {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(?!/).*$"}}},
}
PLACE: Final = "tools.path.properties.x.pattern"


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_what_no_schema_can_enforce_refuses_but_a_strict_tool(client: OpenAI, choice: str) -> None:
    strict = {**TIME, "function": {**TIME["function"], "strict": True}}
    lax: Any = [strict, {"type": "function", "function": PATH}]
    raw = client.chat.completions.with_raw_response.create(
        model=LABEL, messages=[USER], tools=lax, tool_choice=choice, max_tokens=4, temperature=0
    )  # type: ignore[call-overload]
    assert (PLACE in raw.headers.get("X-Hoshikage-Ignored", "")) == (choice == "required")
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, tools=[strict, {"type": "function", "function": {**PATH, "strict": True}}], tool_choice=choice)
    assert PLACE in str(refused.value)


def test_a_grammar_of_a_custom_tool_stands_beside_any_function(client: OpenAI) -> None:
    patch: Any = {
        "type": "custom",
        "name": "apply_patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'},
    }
    tools: Any = [patch, {"type": "function", "strict": False, **PATH}]
    raw = client.responses.with_raw_response.create(model=LABEL, input="?", tools=tools, max_output_tokens=16)
    assert raw.status_code == 200
    assert "path" not in raw.headers.get("X-Hoshikage-Ignored", "")
    asked: Any = {"tools": tools, "tool_choice": "required", "parallel_tool_calls": False, "temperature": 2}
    for seed in range(3):
        raw = client.responses.with_raw_response.create(model=LABEL, input=f"? {seed}", max_output_tokens=200, **asked)
        assert raw.headers["X-Hoshikage-Ignored"] == PLACE
        (call,) = raw.parse().output
        assert call.type in ("custom_tool_call", "function_call")
        assert call.type == "function_call" or call.input == "a"
    large = {**patch, "format": {**patch["format"], "syntax": "regex", "definition": "((a{1,99}){1,99}){1,999}"}}
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=LABEL, input="?", **{**asked, "tools": [large, tools[1]]})
    assert refused.value.param == "tools.apply_patch"


def test_every_call_of_several_is_whole(client: OpenAI) -> None:
    choice = ask(client, tools=[WEATHER, TIME], tool_choice="required", max_tokens=400, seed=1, temperature=1).choices[
        0
    ]
    assert choice.message.tool_calls
    for call in choice.message.tool_calls if choice.finish_reason == "tool_calls" else choice.message.tool_calls[:-1]:
        assert call.function.name in ("weather", "time")
        if call.function.name == "weather":
            check(call)


def test_the_results_of_a_call_are_understood(client: OpenAI) -> None:
    call = ask(client, tools=[WEATHER], tool_choice=NAMED).choices[0].message
    told = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "晴れ"}
    answer = ask(client, tools=[WEATHER], messages=[USER, call.model_dump(exclude_none=True), told]).choices[0]
    assert answer.message.content or answer.message.tool_calls


def test_the_sdk_parses_tools_made_from_classes(client: OpenAI) -> None:
    parsed = client.chat.completions.parse(
        model=LABEL,
        messages=[USER],
        tools=[openai.pydantic_function_tool(Place)],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=300,
    )
    choice = parsed.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    assert isinstance(choice.message.tool_calls[0].function.parsed_arguments, Place)
