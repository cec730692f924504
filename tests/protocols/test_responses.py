"""The Responses endpoint as the OpenAI SDK sees it: input in all forms, the order of events, what is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from hoshikage import wire
from hoshikage.answer.schema.turns import ChatMessage
from hoshikage.errors import InferenceFailed, InvalidRequest
from hoshikage.params import ChatPrompt, GenerationRequest
from hoshikage.protocols.openai.response_store import ResponseStore
from hoshikage.settings import Settings
from tests.protocols.conftest import House, answer, finished, serving
from tests.protocols.test_chat_tools import CALL, THOUGHTS, model

WEATHER: Final[dict[str, Any]] = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


async def create(house: House, given: Any = "東京の天気は？", **fields: Any) -> Any:
    async with house.sdk() as client:
        return await client.responses.create(**{"model": "tiny", "input": given, **fields})


async def events_of(house: House, given: Any = "東京の天気は？", **fields: Any) -> list[Any]:
    async with house.sdk() as client:
        stream: Any = await client.responses.create(**{"model": "tiny", "input": given, **fields}, stream=True)
        events = [event async for event in stream]
    for event in events:
        type(event).model_validate_json(event.model_dump_json(), strict=True)
    return events


def asked(house: House) -> GenerationRequest:
    return house.dispatcher.asked[-1][1]


def turns(house: House) -> list[tuple[str, str | None]]:
    prompt = asked(house).prompt
    assert isinstance(prompt, ChatPrompt)
    return [(turn.role, turn.content) for turn in prompt.messages]


def says(house: House, text: str, tail: str = "", reason: wire.FinishReason = "stop") -> None:
    tokens = [wire.Token(1, letter, count) for count, letter in enumerate(text, start=1)]
    end = finished(reason, completion_tokens=len(text))
    house.dispatcher.steps = [wire.Started(1, 5, tail=tail), *tokens, end]


async def test_an_answer(house: House) -> None:
    response = await create(house, instructions="Be brief.", metadata={"a": "b"}, max_output_tokens=7, user="me")
    assert response.output_text == "星影です"
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    (item,) = response.output
    assert (item.type, item.role, item.status) == ("message", "assistant", "completed")
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (5, 3, 8)
    assert (response.instructions, response.metadata, response.max_output_tokens) == ("Be brief.", {"a": "b"}, 7)
    assert (response.temperature, response.tool_choice, response.tools) == (0.2, "auto", [])
    assert turns(house) == [("system", "Be brief."), ("user", "東京の天気は？")]
    assert asked(house).max_tokens == 7
    assert Response.model_validate_json(response.model_dump_json(), strict=True).id == response.id


async def test_every_form_of_input(house: House) -> None:
    given = [
        {"role": "developer", "content": "D"},
        {"role": "user", "content": [{"type": "input_text", "text": "A"}, {"type": "input_text", "text": "B"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "東京"}'},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "晴れ"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "雨"}]},
        {"type": "message", "role": "assistant", "content": "One."},
        {"type": "message", "role": "assistant", "content": "Two."},
    ]
    await create(house, given)
    prompt = asked(house).prompt
    assert isinstance(prompt, ChatPrompt)
    assert [turn.role for turn in prompt.messages][:3] == ["system", "user", "assistant"]
    first = prompt.messages[2]
    assert prompt.messages[1].content == "A\nB"
    assert (first.extra["reasoning_content"], (first.content or "").partition("\n")[0]) == ("Hm", "I look.")
    assert turns(house)[-2:] == [("assistant", "One."), ("assistant", "Two.")]
    assert prompt.add_generation_prompt
    assert not prompt.continue_final_message


async def test_events_of_text_come_in_their_order(house: House) -> None:
    events = await events_of(house)
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].response.status == "in_progress"
    assert events[6].text == events[-1].response.output_text == "星影です"
    assert len({event.item_id for event in events if hasattr(event, "item_id")}) == 1


async def test_thoughts_and_calls(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, THOUGHTS + "I look.\n" + CALL + "\n" + CALL)
    whole = await create(house, tools=[WEATHER])
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call", "function_call"]
    assert whole.output[0].content[0].text.strip() == "Hm."
    assert 0 < whole.usage.output_tokens_details.reasoning_tokens < whole.usage.output_tokens
    assert json.loads(whole.output[2].arguments) == {"city": "東京"}
    assert whole.output[2].call_id != whole.output[3].call_id
    async with house.sdk() as client:
        streaming: Any = client.responses.stream(model="tiny", input="?", tools=[WEATHER])  # type: ignore[list-item]
        async with streaming as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
    assert [item.type for item in final.output] == [item.type for item in whole.output]
    assert final.output[3].arguments == whole.output[3].arguments
    assert [event.type for event in await events_of(house, tools=[WEATHER])] == kinds
    order = list(dict.fromkeys(kinds))
    assert order[2:7] == [
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.content_part.done",
    ]
    assert kinds.count("response.function_call_arguments.done") == 2


async def test_a_call_that_cannot_be_read_comes_as_it_stands(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen2.5")
    says(house, '<tool_call>\n{"name": "weather", "arguments": nonsense}\n</tool_call>')
    whole = await create(house, tools=[WEATHER])
    events = await events_of(house, tools=[WEATHER])
    for response in (whole, events[-1].response):
        assert [(item.type, item.name, item.arguments) for item in response.output] == [
            ("function_call", "weather", "nonsense}")
        ]
        assert [one["code"] for one in response.warnings] == ["tool_call_unparsed"]
    assert not hasattr(await create(house), "warnings")


async def test_choice_of_tools(house: House) -> None:
    await create(house, tools=[WEATHER], tool_choice={"type": "function", "name": "weather"})
    assert asked(house).grammar is not None
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "weather"}]}
    response = await create(house, tools=[WEATHER, {**WEATHER, "name": "time"}], tool_choice=allowed)
    assert asked(house).grammar is None
    assert [tool.name for tool in response.tools] == ["weather", "time"]
    assert response.tool_choice.type == "allowed_tools"


class Star(BaseModel):
    name: str


async def test_a_format(house: House) -> None:
    house.dispatcher.steps = answer('{"name":', ' "星影"}')
    async with house.sdk() as client:
        parsed = await client.responses.parse(model="tiny", input="?", text_format=Star)
    assert parsed.output_parsed == Star(name="星影")
    grammar = asked(house).grammar
    assert grammar is not None
    assert grammar.kind == "json_schema"
    assert "name" in json.loads(grammar.text)["properties"]
    await create(house, text={"format": {"type": "json_object"}, "verbosity": "low"})
    assert json.loads(getattr(asked(house).grammar, "text", "")) == {"type": "object"}


async def test_effort_reaches_the_template(house: House) -> None:
    response = await create(house, reasoning={"effort": "none", "summary": "auto"})
    assert asked(house).prompt.template_kwargs["enable_thinking"] is False  # type: ignore[union-attr]
    assert response.reasoning.effort == "none"


async def test_log_probabilities(house: House) -> None:
    likely = wire.Likely("星", "星".encode(), -0.5)
    token = wire.Token(1, "星", 1, logprobs=(wire.Chosen(likely, (likely,)),))
    house.dispatcher.steps = [wire.Started(1, 5), token, finished()]
    fields = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    response = await create(house, **fields)
    assert asked(house).logprobs == 1
    (shown,) = response.output[0].content[0].logprobs
    assert (shown.token, shown.logprob, shown.top_logprobs[0].token) == ("星", -0.5, "星")
    events = await events_of(house, **fields)
    assert [event.logprobs[0].token for event in events if event.type == "response.output_text.delta"] == ["星"]


async def test_a_cut_answer_is_incomplete(house: House) -> None:
    house.dispatcher.steps = answer("星", reason="length")
    response = await create(house)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (await events_of(house))[-1].type == "response.incomplete"


async def test_a_conversation_goes_on(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, THOUGHTS + CALL)
    first = await create(house, "A", instructions="Be brief.", tools=[WEATHER])
    says(house, "晴れ")
    output = [{"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "sunny"}]
    stream = await events_of(house, output, previous_response_id=first.id)
    second = stream[-1].response
    assert second.previous_response_id == first.id
    assert [role for role, _ in turns(house)] == ["user", "assistant", "tool"]
    third = await create(house, "B", previous_response_id=second.id, instructions="Be kind.")
    assert [role for role, _ in turns(house)] == ["system", "user", "assistant", "tool", "assistant", "user"]
    async with house.sdk() as client:
        told = await client.responses.retrieve(third.id)
        assert told.model_dump() == third.model_dump()
        await client.responses.delete(third.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(third.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.delete(third.id)
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        await create(house, previous_response_id=third.id)


async def test_nothing_is_kept_that_shall_not_be(house: House) -> None:
    response = await create(house, store=False)
    assert response.store is False
    async with house.sdk() as client:
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(response.id)


@pytest.fixture
async def forgetful(settings: Settings) -> AsyncIterator[House]:
    async with serving(replace(settings, responses_store=0)) as running:
        yield running


async def test_the_store_can_be_off(forgetful: House) -> None:
    response = await create(forgetful, store=True)
    assert response.store is False
    with pytest.raises(openai.BadRequestError):
        await create(forgetful, previous_response_id=response.id)


def test_the_store_is_bounded() -> None:
    store = ResponseStore(2, most_bytes=1000)
    for number in range(3):
        store.add("me", {"id": f"r{number}"}, [ChatMessage("user", "x")])
    assert [store.get("me", f"r{number}") is None for number in range(3)] == [True, False, False]
    assert store.get("you", "r2") is None
    assert not store.remove("you", "r2")
    store.add("me", {"id": "large"}, [ChatMessage("user", "x" * 800)])
    assert store.get("me", "r2") is None
    store.add("me", {"id": "too large"}, [ChatMessage("user", "x" * 2000)])
    assert store.get("me", "too large") is None
    assert store.remove("me", "large")
    kept = msgspec.json.encode([ChatMessage("user", "x")])
    assert len(kept) < 1000


async def test_the_count(house: House) -> None:
    async with house.sdk() as client:
        counted = await client.responses.input_tokens.count(model="tiny", input="?", tools=[WEATHER])  # type: ignore[list-item]
        assert (counted.input_tokens, counted.object) == (5, "response.input_tokens")
        house.dispatcher.steps = [finished(prompt_tokens=9000)]
        assert (await client.responses.input_tokens.count(model="tiny", input="?")).input_tokens == 9000
    assert house.dispatcher.closed.is_set()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"),
        ({"truncation": "always"}, "truncation"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice.name"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"reasoning": {"effort": "utmost"}}, "reasoning.effort"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"type": "function_call", "name": "x", "arguments": "{}"}]}, "input[0].call_id"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs.messages"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(house: House, fields: dict[str, Any], param: str) -> None:
    body = json.dumps({"model": "tiny", "input": "?", **fields})
    status, answered, _ = await house.ask("POST", "/v1/responses", body, **{"Content-Type": "application/json"})
    assert (status, answered["error"]["param"]) == (400, param)
    assert house.dispatcher.asked == []


async def test_what_the_engine_refuses_has_this_protocols_name(house: House) -> None:
    for theirs, ours in (("response_format.json_schema.schema", "text.format.schema"), ("messages", "input")):
        house.dispatcher.steps = [InvalidRequest("http.field_missing", param=theirs, place=theirs)]
        with pytest.raises(openai.BadRequestError, match=ours) as refused:
            await create(house)
        assert refused.value.param == ours


async def test_a_failure_in_the_middle(house: House) -> None:
    house.dispatcher.steps = [*answer("星")[:2], InferenceFailed("http.answer_cut")]
    events = await events_of(house)
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-2].code == "inference_failed"
    assert events[-1].response.status == "failed"
    with pytest.raises(openai.InternalServerError):
        await create(house)
    house.dispatcher.steps = [InferenceFailed("http.answer_cut")]
    with pytest.raises(openai.InternalServerError):
        await events_of(house)


async def test_a_silent_stream_says_so_and_a_client_that_leaves_ends_the_answer(house: House) -> None:
    house.dispatcher.steps = [*answer("星")[:2], asyncio.Event()]
    async with house.sdk() as client:
        stream: Any = await client.responses.create(model="tiny", input="?", stream=True)
        assert (await anext(aiter(stream))).type == "response.created"
        await stream.close()
    await house.dispatcher.closed.wait()
    assert house.dispatcher.closed.is_set()
