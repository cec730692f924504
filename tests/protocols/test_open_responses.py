"""Tests OpenResponses' conformance cases: text, streaming, a system text, a tool, several turns; every field it
needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage import wire
from tests.protocols.conftest import House
from tests.protocols.test_agents import call, responses
from tests.protocols.test_chat_tools import model, prompted, says

TEXT: Final = (str, type(None))
COUNT: Final = (int, type(None))
RESPONSE: Final[Mapping[str, tuple[type, ...]]] = {
    "id": (str,), "object": (str,), "created_at": (int,), "completed_at": COUNT, "status": (str,),
    "incomplete_details": (dict, type(None)), "model": (str,), "previous_response_id": TEXT, "instructions": TEXT,
    "output": (list,), "error": (dict, type(None)), "tools": (list,), "tool_choice": (str, dict), "truncation": (str,),
    "parallel_tool_calls": (bool,), "text": (dict,), "top_p": (float, int), "presence_penalty": (float, int),
    "frequency_penalty": (float, int), "top_logprobs": (int,), "temperature": (float, int),
    "reasoning": (dict, type(None)), "usage": (dict, type(None)), "max_output_tokens": COUNT, "max_tool_calls": COUNT,
    "store": (bool,), "background": (bool,), "service_tier": (str,), "metadata": (dict,), "safety_identifier": TEXT,
    "prompt_cache_key": TEXT,
}  # fmt: skip
"""Maps a field that every Response must have to the types that it may be of."""
ITEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "message": ("id", "status", "role", "content"),
    "function_call": ("id", "status", "call_id", "name", "arguments"),
    "reasoning": ("id", "summary"),
}
EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "response.created": ("response",),
    "response.in_progress": ("response",),
    "response.completed": ("response",),
    "response.incomplete": ("response",),
    "response.output_item.added": ("output_index", "item"),
    "response.output_item.done": ("output_index", "item"),
    "response.content_part.added": ("item_id", "output_index", "content_index", "part"),
    "response.content_part.done": ("item_id", "output_index", "content_index", "part"),
    "response.output_text.delta": ("item_id", "output_index", "content_index", "delta", "logprobs"),
    "response.output_text.done": ("item_id", "output_index", "content_index", "text", "logprobs"),
    "response.reasoning_text.delta": ("item_id", "output_index", "content_index", "delta"),
    "response.reasoning_text.done": ("item_id", "output_index", "content_index", "text"),
    "response.function_call_arguments.delta": ("item_id", "output_index", "delta"),
    "response.function_call_arguments.done": ("item_id", "output_index", "arguments"),
}
USER: Final = {"type": "message", "role": "user", "content": "Say hello."}
TOOL: Final = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(autouse=True)
def thinking_model(tmp_path: Path, house: House) -> None:
    model(tmp_path, "qwen3")
    says(house, "<think>", "Hm.", "</think>", "Hello", " there.")


def assert_whole(response: dict[str, Any], output: list[str]) -> None:
    for name, kinds in RESPONSE.items():
        assert isinstance(response[name], kinds), name
    assert (response["object"], response["status"], response["error"]) == ("response", "completed", None)
    assert [item["type"] for item in response["output"]] == output
    for item in response["output"]:
        assert set(ITEMS[item["type"]]) <= item.keys()
    used = response["usage"]
    assert used["input_tokens"] + used["output_tokens"] == used["total_tokens"]
    assert set(used["input_tokens_details"]) >= {"cached_tokens"}
    assert used["output_tokens_details"]["reasoning_tokens"] == 2


async def asked(house: House, **body: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    response, events, _ = await responses(house, {"model": "tiny", "input": [USER], **body})
    return response, events


@pytest.mark.parametrize("body", [{}, {"input": "Say hello."}, {"instructions": "Be brief.", "temperature": 0}])
async def test_a_text(house: House, body: dict[str, Any]) -> None:
    response, _ = await asked(house, **body)
    assert_whole(response, ["reasoning", "message"])
    assert response["output"][1]["content"] == [
        {"type": "output_text", "text": "Hello there.", "annotations": [], "logprobs": []}
    ]


async def test_a_stream(house: House) -> None:
    response, events = await asked(house, stream=True)
    assert_whole(response, ["reasoning", "message"])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] == "response.completed"
    for event in events:
        assert set(EVENTS[event["type"]]) <= event.keys()
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert said == response["output"][1]["content"][0]["text"]


async def test_a_system_text(house: House) -> None:
    system = {"type": "message", "role": "system", "content": "You are a pirate."}
    response, _ = await asked(house, input=[system, USER])
    assert_whole(response, ["reasoning", "message"])
    assert [turn.content for turn in prompted(house).messages] == ["You are a pirate.", "Say hello."]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool(house: House, stream: bool) -> None:
    says(house, "<think>", "Hm.", "</think>", call("weather", city="Tokyo"))
    response, events = await asked(house, tools=[TOOL], stream=stream)
    assert_whole(response, ["reasoning", "function_call"])
    assert response["output"][1]["arguments"] == '{"city": "Tokyo"}'
    assert response["tools"] == [{**TOOL, "strict": None}]
    assert all(set(EVENTS[event["type"]]) <= event.keys() for event in events)


async def test_several_turns(house: House) -> None:
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello Alice."}]}
    response, _ = await asked(house, input=[USER, spoken, {**USER, "content": "What is my name?"}])
    assert_whole(response, ["reasoning", "message"])
    following, _ = await asked(house, input=[*[USER], *response["output"], {**USER, "content": "And now?"}])
    assert_whole(following, ["reasoning", "message"])
    assert [turn.role for turn in prompted(house).messages] == ["user", "assistant", "user"]
    kept, _ = await asked(house, previous_response_id=response["id"])
    assert kept["previous_response_id"] == response["id"]


async def test_progress_is_told_where_it_is_asked_for(house: House) -> None:
    house.dispatcher.steps[1:1] = [wire.Prefill(1, 2), wire.Prefill(1, 5)]
    _, events = await asked(house, stream=True, return_progress=True)
    told = [event["response"].get("prompt_progress") for event in events if event["type"] == "response.in_progress"]
    assert told[0] is None
    assert [(one["total"], one["cache"], one["processed"]) for one in told[1:]] == [(5, 2, 2), (5, 2, 5)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    _, plain = await asked(house, stream=True)
    assert [event["type"] for event in plain].count("response.in_progress") == 1


async def test_a_bound_is_told(house: House) -> None:
    says(house, "<think>", "Hm.", reason="length")
    response, _ = await asked(house, max_output_tokens=2)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["completed_at"] is None
