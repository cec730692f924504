"""What clients spell as it was before there were tools, or as another of OpenAI's interfaces has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.answer.schema import spelled
from hoshikage.http.ignored import HEADER
from tests.protocols.conftest import House
from tests.protocols.test_chat_tools import CALL, WEATHER, asked, chat, chunks_of, model, prompted, says

FUNCTION: Final = WEATHER["function"]
USER: Final = {"role": "user", "content": "東京の天気は？"}


async def send(house: House, path: str, **fields: Any) -> tuple[Any, str | None]:
    sent = {"Content-Type": "application/json"}
    status, told, headers = await house.ask("POST", path, json.dumps({"model": "tiny", **fields}), **sent)
    assert status == 200, told
    return told, headers.get(HEADER)


async def test_a_function_is_called_in_the_former_way(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, "I look.\n", *CALL)
    whole = (await chat(house, functions=[FUNCTION], function_call="auto")).choices[0]
    assert (whole.finish_reason, whole.message.content, whole.message.tool_calls) == ("function_call", "I look.", None)
    assert whole.message.function_call.name == "weather"
    assert json.loads(whole.message.function_call.arguments) == {"city": "東京"}
    assert prompted(house).tools == ({"type": "function", "function": FUNCTION},)

    deltas = [chunk.choices[0] for chunk in await chunks_of(house, functions=[FUNCTION])]
    assert all(one.delta.tool_calls is None for one in deltas)
    called = [one.delta.function_call for one in deltas if one.delta.function_call is not None]
    assert called[0].name == "weather"
    assert all(one.name is None for one in called[1:])
    assert "".join(one.arguments or "" for one in called) == whole.message.function_call.arguments
    assert "".join(one.delta.content or "" for one in deltas) == "I look."
    assert [one.finish_reason for one in deltas if one.finish_reason] == ["function_call"]


async def test_a_former_call_is_one(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, CALL, "\n", CALL)
    whole = (await chat(house, functions=[FUNCTION])).choices[0].message
    assert json.loads(whole.function_call.arguments) == {"city": "東京"}


async def test_words_alone_are_told_as_ever(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, "Sunny.")
    whole = (await chat(house, functions=[FUNCTION])).choices[0]
    assert (whole.finish_reason, whole.message.content, whole.message.function_call) == ("stop", "Sunny.", None)


async def test_which_function_is_called_may_be_said(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, '[{"name": "weather", "arguments": {"city": "東京"}}]')
    whole = (await chat(house, functions=[FUNCTION, {"name": "time"}], function_call={"name": "weather"})).choices[0]
    assert whole.message.function_call.name == "weather"
    assert asked(house).grammar is not None
    says(house, "Sunny.")
    await chat(house, functions=[FUNCTION], function_call="none")
    assert prompted(house).tools == ()


async def test_no_functions_are_none(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, *CALL)
    whole = (await chat(house, functions=[], tools=[WEATHER], function_call="auto")).choices[0]
    assert (whole.finish_reason, len(whole.message.tool_calls)) == ("tool_calls", 1)


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/chat/completions", "messages"), ("/v1/responses", "input"), ("/v1/messages", "messages")]
)
async def test_plain_texts_are_parts(house: House, path: str, field: str) -> None:
    turns = [{"role": "user", "content": ["Hello,", {"type": "text", "text": "star"}, "!"]}]
    if field == "input":
        turns = [{"role": "user", "content": ["Hello,", {"type": "input_text", "text": "star"}, "!"]}]
    _, ignored = await send(house, path, **{field: turns}, **({"max_tokens": 9} if path == "/v1/messages" else {}))
    assert prompted(house).messages[-1].content == "Hello,\nstar\n!"
    assert ignored is None


async def test_a_chats_tool_is_one_of_a_response(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, *CALL)
    told, ignored = await send(house, "/v1/responses", input="x", tools=[WEATHER])
    (call,) = [one for one in told["output"] if one["type"] == "function_call"]
    assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "東京"})
    assert prompted(house).tools == ({"type": "function", "function": FUNCTION},)
    assert ignored is None
    choice = {"type": "function", "function": {"name": "weather"}}
    says(house, '[{"name": "weather", "arguments": {"city": "東京"}}]')
    await send(house, "/v1/responses", input="x", tools=[WEATHER], tool_choice=choice)
    assert asked(house).grammar is not None


@pytest.mark.parametrize(
    "tree",
    [None, [], "x", {}, {"messages": "x"}, {"messages": [1, {"content": [2, None]}, {"content": "x"}]},
     {"tools": {"type": "function"}, "tool_choice": "auto"}, {"tools": [1, {"type": "function", "function": "x"}]}],
)  # fmt: skip
def test_what_has_no_known_form_is_left_as_it_is(tree: Any) -> None:
    before = json.dumps(tree)
    spelled.texts_as_parts(tree, "messages")
    spelled.flat_functions(tree)
    assert json.dumps(tree) == before
