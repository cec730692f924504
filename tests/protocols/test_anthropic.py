"""/v1/messages as Anthropic's SDK sees it: blocks, the order of events, tools, thoughts, stops and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter

from hoshikage import wire
from hoshikage.errors import InferenceFailed, Unavailable
from hoshikage.infos import Timings
from hoshikage.params import ChatPrompt, GenerationRequest
from tests.protocols.conftest import House, answer, finished, tls
from tests.protocols.test_chat_tools import CALL, THOUGHTS, model

EVENT: Final = TypeAdapter[Any](RawMessageStreamEvent)
USER: Final = {"role": "user", "content": "東京の天気は？"}
WEATHER: Final[dict[str, Any]] = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def sdk(house: House) -> anthropic.AsyncAnthropic:
    http = anthropic.DefaultAsyncHttpxClient(verify=tls())
    return anthropic.AsyncAnthropic(base_url=house.url, api_key="unused", max_retries=0, http_client=http)


def fields_of(**fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "max_tokens": 50, "messages": [USER], **fields}


async def create(house: House, **fields: Any) -> Any:
    async with sdk(house) as client:
        return await client.messages.create(**fields_of(**fields))


async def events_of(house: House, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """Names and data of the raw events, pings included."""
    body = json.dumps(fields_of(stream=True, **fields))
    sent = {"Content-Type": "application/json"}
    async with house.session.post(f"{house.url}/v1/messages", data=body, headers=sent) as response:
        text = await response.text()
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    found = []
    for frame in text.strip().split("\n\n"):
        name, data = frame.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        if found[-1][0] not in ("ping", "error"):  # the SDK has no types for these two
            EVENT.validate_json(data.removeprefix("data: "), strict=True)
    return found


async def streamed(house: House, **fields: Any) -> Any:
    async with sdk(house) as client, client.messages.stream(**fields_of(**fields)) as stream:
        return await stream.get_final_message()


def asked(house: House) -> GenerationRequest:
    return house.dispatcher.asked[-1][1]


def prompted(house: House) -> ChatPrompt:
    prompt = asked(house).prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def says(
    house: House, text: str, reason: wire.FinishReason = "stop", stop: str | None = None, count: int | None = None
) -> None:
    tokens = [wire.Token(1, letter, number) for number, letter in enumerate(text, start=1)]
    end = wire.Finished(1, reason, 5, len(text) if count is None else count, Timings(1.0, 1.0, 1.0), stop)
    house.dispatcher.steps = [wire.Started(1, 5), *tokens, end]


async def test_a_message(house: House) -> None:
    message = await create(house, system="Be brief.", extra_body={"temperature": 0.5, "top_k": 3, "top_p": 0.5})
    assert [(block.type, block.text) for block in message.content] == [("text", "星影です")]
    assert (message.role, message.model, message.stop_reason, message.stop_sequence) == (
        "assistant",
        "tiny",
        "end_turn",
        None,
    )
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (3, 2, 3)
    assert message._request_id.startswith("req_")
    assert [(turn.role, turn.content) for turn in prompted(house).messages] == [
        ("system", "Be brief."),
        ("user", "東京の天気は？"),
    ]
    sampling = asked(house).sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p, asked(house).max_tokens) == (0.5, 3, 0.5, 50)
    assert Message.model_validate_json(message.model_dump_json(), strict=True).id == message.id


async def test_events_come_in_their_order(house: House) -> None:
    events = await events_of(house)
    assert [name for name, _ in events] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert all(name == data["type"] for name, data in events)
    assert events[0][1]["message"]["usage"]["input_tokens"] == 5
    assert events[-2][1]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert (await streamed(house)).content[0].text == "星影です"


async def test_blocks_of_every_kind_reach_the_model(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    await create(
        house,
        system=[{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "B"}],
        tools=[WEATHER],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "C"}, {"type": "text", "text": "D"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": ""},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "東京"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "晴れ"}]},
                    {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
    )
    turns = prompted(house).messages
    assert [(turn.role, turn.content) for turn in turns] == [
        ("system", "A\nB"),
        ("user", "C\nD"),
        ("assistant", "I look."),
        ("tool", "晴れ"),
        ("tool", "Error: no"),
        ("user", "And?"),
    ]
    assert turns[2].extra["reasoning_content"] == "Hm"
    assert turns[2].extra["tool_calls"][0]["function"] == {"name": "weather", "arguments": {"city": "東京"}}
    assert turns[3].extra["tool_call_id"] == "t1"


async def test_the_last_message_is_continued(house: House) -> None:
    await create(house, messages=[USER, {"role": "assistant", "content": "It is"}])
    assert prompted(house).continue_final_message


async def test_tools(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen2.5")
    says(house, "I look.\n" + CALL + "\n" + CALL)
    for message in (await create(house, tools=[WEATHER]), await streamed(house, tools=[WEATHER])):
        assert message.stop_reason == "tool_use"
        assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
        assert message.content[1].input == {"city": "東京"}
        assert message.content[1].id != message.content[2].id
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert len((await create(house, tools=[WEATHER], tool_choice=one)).content) == 2
    for choice, forced in (({"type": "any"}, True), ({"type": "tool", "name": "weather"}, True), (one, False)):
        await create(house, tools=[WEATHER], tool_choice=choice)
        assert (asked(house).grammar is not None) == forced
    await create(house, tools=[WEATHER], tool_choice={"type": "none"})
    assert prompted(house).tools == ()


@pytest.mark.parametrize("raw", ["nonsense}", '{"city": nonsense}}', '{"city": "x" "y"}}'])
async def test_an_input_that_cannot_be_read_comes_as_it_stands(house: House, tmp_path: Path, raw: str) -> None:
    model(tmp_path, "qwen2.5")
    says(house, f'<tool_call>\n{{"name": "weather", "arguments": {raw}\n</tool_call>')
    message = await create(house, tools=[WEATHER])
    final = await streamed(house, tools=[WEATHER])
    for one in (message, final):
        assert [(block.type, block.input) for block in one.content] == [
            ("tool_use", {"__unparsedToolInput": {"raw": raw}})
        ]
        assert one.stop_reason == "tool_use"
    ending = next(data for name, data in await events_of(house, tools=[WEATHER]) if name == "message_delta")
    for warnings in (message.warnings, ending["warnings"]):
        assert [one["code"] for one in warnings] == ["tool_call_unparsed"]


async def test_calls_come_in_pieces_where_a_client_asks_for_them(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen2.5")
    says(house, CALL)
    for tool, several in ((WEATHER, False), ({**WEATHER, "eager_input_streaming": True}, True)):
        events = await events_of(house, tools=[tool])
        pieces = [data["delta"]["partial_json"] for name, data in events if name == "content_block_delta"]
        assert json.loads("".join(pieces)) == {"city": "東京"}
        assert (len(pieces) > 5) == several
    says(house, '<tool_call>\n{"name": "weather", "arguments": {"city": nonsense}}\n</tool_call>')
    events = await events_of(house, tools=[{**WEATHER, "eager_input_streaming": True}])
    starts = [data["index"] for name, data in events if name == "content_block_start"]
    assert starts == [data["index"] for name, data in events if name == "content_block_stop"] == [0]
    pieces = [data["delta"]["partial_json"] for name, data in events if name == "content_block_delta"]
    assert "".join(pieces) == '{"city": nonsense}}'


async def test_thoughts_are_shown_to_who_asks_for_them(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, THOUGHTS + "Yes.")
    thinking = {"type": "enabled", "budget_tokens": 1024}
    events = await events_of(house, thinking=thinking)
    kinds = [data["delta"]["type"] for name, data in events if name == "content_block_delta"]
    assert list(dict.fromkeys(kinds)) == ["thinking_delta", "text_delta"]
    for message in (await create(house, thinking=thinking), await streamed(house, thinking=thinking)):
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert message.content[0].thinking.strip() == "Hm."
        kwargs = prompted(house).template_kwargs
        assert (kwargs["enable_thinking"], kwargs["thinking_budget"]) == (True, 1024)
    for fields in ({}, {"thinking": {"type": "disabled"}}):
        assert [block.type for block in (await create(house, **fields)).content] == ["text"]
        assert prompted(house).template_kwargs["enable_thinking"] is False
    hidden = await create(house, thinking={"type": "adaptive", "display": "omitted"})
    assert [block.type for block in hidden.content] == ["text"]
    assert prompted(house).template_kwargs["enable_thinking"] is True


@pytest.mark.parametrize(
    ("reason", "stop", "count", "told"),
    [
        ("stop", None, 3, ("end_turn", None)),
        ("stop", "END", 3, ("stop_sequence", "END")),
        ("stop", "### END", 3, ("end_turn", None)),
        ("length", None, 50, ("max_tokens", None)),
        ("length", None, 49, ("model_context_window_exceeded", None)),
    ],
)
async def test_why_it_ended(
    house: House, reason: wire.FinishReason, stop: str | None, count: int, told: tuple[str, str | None]
) -> None:
    says(house, "星影", reason, stop, count)
    stops = ["END", "終"]
    for message in (await create(house, stop_sequences=stops), await streamed(house, stop_sequences=stops)):
        assert (message.stop_reason, message.stop_sequence) == told
        assert asked(house).stop == ("### END", "END", "終")


class Star(BaseModel):
    name: str


async def test_a_format_and_an_effort(house: House) -> None:
    house.dispatcher.steps = answer('{"name":', ' "星影"}')
    async with sdk(house) as client:
        parsed = await client.messages.parse(**fields_of(), output_format=Star)
    assert parsed.parsed_output == Star(name="星影")
    assert asked(house).grammar is not None
    await create(house, output_config={"effort": "max"})
    assert prompted(house).template_kwargs["reasoning_effort"] == "xhigh"


async def test_the_count(house: House) -> None:
    async with sdk(house) as client:
        asking: Any = {"model": "tiny", "messages": [USER], "tools": [WEATHER]}
        assert (await client.messages.count_tokens(**asking)).input_tokens == 5
        house.dispatcher.steps = [finished(prompt_tokens=9000)]
        assert (await client.messages.count_tokens(**asking)).input_tokens == 9000


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]}, "messages[0].content[0].name"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "content[0].tool_use_id"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "w"}], "tool_choice": {"type": "tool", "name": "w"}},
            "tool_choice.name",
        ),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].name"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"container": "x"}, "container"),
        ({"stop_sequences": ["x" * 200 + "影" * 50]}, "stop_sequences[0]"),
        ({"thinking": {"type": "much"}}, "thinking.type"),
        ({"output_config": {"format": {"type": "xml", "schema": {}}}}, "output_config.format.type"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(house: House, fields: dict[str, Any], place: str) -> None:
    body = json.dumps(fields_of(**fields))
    status, answered, headers = await house.ask("POST", "/v1/messages", body, **{"Content-Type": "application/json"})
    assert (status, answered["type"], answered["error"]["type"]) == (400, "error", "invalid_request_error")
    assert place in answered["error"]["message"]
    assert answered["request_id"] == headers["request-id"] == headers["x-request-id"]
    assert house.dispatcher.asked == []


async def test_errors_are_anthropics(house: House) -> None:
    with pytest.raises(anthropic.NotFoundError) as unknown:
        await create(house, model="nobody")
    assert unknown.value.type == "not_found_error"
    house.dispatcher.steps = [Unavailable("dispatch.shutting_down", retry_after=7)]
    with pytest.raises(anthropic.APIStatusError) as busy:
        await create(house)
    assert (busy.value.status_code, busy.value.type) == (503, "overloaded_error")
    assert busy.value.response.headers["retry-after"] == "7"
    house.dispatcher.steps = [*answer("星")[:2], InferenceFailed("http.answer_cut")]
    name, data = (await events_of(house))[-1]
    assert (name, data["error"]["type"]) == ("error", "api_error")
    with pytest.raises(anthropic.APIStatusError):
        await streamed(house)


async def test_repairs_are_told(house: House) -> None:
    for stream in (False, True):
        house.dispatcher.steps = [wire.Started(1, 5, repairs=("system_into_user",)), *answer("星")[1:]]
        body = json.dumps(fields_of(stream=stream))
        _, _, headers = await house.ask("POST", "/v1/messages", body, **{"Content-Type": "application/json"})
        assert headers["X-Hoshikage-Template-Repair"] == "system_into_user"
        assert headers["request-id"] == headers["x-request-id"]
