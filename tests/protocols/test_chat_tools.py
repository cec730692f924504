"""Tools in a chat, as the OpenAI SDK sees them: what reaches the engine, and what comes of the engine's text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import openai
import pytest

from hoshikage import wire
from hoshikage.params import ChatPrompt, GenerationRequest, ThoughtBudget
from tests.gguf_files import STRING, Gguf
from tests.protocols.conftest import House, answer, finished

TEMPLATES: Final = Path(__file__).parent.parent / "llama" / "templates"
WEATHER: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME: Final[dict[str, Any]] = {"type": "function", "function": {"name": "time"}}
USER: Final = {"role": "user", "content": "東京の天気は？"}
CALL: Final = '<tool_call>\n{"name": "weather", "arguments": {"city": "東京"}}\n</tool_call>'
THOUGHTS: Final = "<think>\nHm.\n</think>\n\n"


def model(tmp_path: Path, template: str | None) -> None:
    """The registered model's file gets the chat template of that name."""
    file = Gguf().without("tokenizer.chat_template")
    if template is not None:
        source = (TEMPLATES / f"{template}.jinja").read_text("utf-8")
        file = file.with_pair("tokenizer.chat_template", STRING, source)
    file.write(tmp_path / "tiny.gguf")


async def chat(house: House, **fields: Any) -> Any:
    async with house.sdk() as client:
        return await client.chat.completions.create(**{"model": "tiny", "messages": [USER], **fields})


async def chunks_of(house: House, **fields: Any) -> list[Any]:
    async with house.sdk() as client:
        asked: Any = {"model": "tiny", "messages": [USER], **fields}
        return [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]


async def streamed(house: House, **fields: Any) -> Any:
    """Returns the SDK's own assembly of a stream."""
    asked: Any = {"model": "tiny", "messages": [USER], **fields}
    async with house.sdk() as client, client.chat.completions.stream(**asked) as stream:
        return await stream.get_final_completion()


def asked(house: House) -> GenerationRequest:
    return house.dispatcher.asked[-1][1]


def prompted(house: House) -> ChatPrompt:
    prompt: object = asked(house).prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def says(house: House, *texts: str, tail: str = "", reason: wire.FinishReason = "stop") -> None:
    tokens = [wire.Token(1, text, count) for count, text in enumerate(texts, start=1)]
    house.dispatcher.steps = [wire.Started(1, 5, tail=tail), *tokens, finished(reason)]


@pytest.mark.parametrize("template", ["qwen3", None])
async def test_a_call(house: House, tmp_path: Path, template: str | None) -> None:
    model(tmp_path, template)
    text = "I look.\n" + CALL
    says(house, *text)
    for whole in (await chat(house, tools=[WEATHER]), await streamed(house, tools=[WEATHER])):
        choice = whole.choices[0]
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", "I look.")
        (call,) = choice.message.tool_calls
        assert (call.type, call.function.name) == ("function", "weather")
        assert json.loads(call.function.arguments) == {"city": "東京"}
        assert call.id.startswith("call_")


async def test_thoughts_are_counted(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, "<think>", "One", "two", "three.", "</think>", "Yes.")
    spent = (await chat(house)).usage.completion_tokens_details
    assert spent.reasoning_tokens == 4, "the mark in front of them is one of them"
    chunks = await chunks_of(house, stream_options={"include_usage": True})
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 4
    says(house, "<think>", "abcd", "ef</think>\n\nwx")
    half = (await chat(house)).usage.completion_tokens_details
    assert half.reasoning_tokens in (2, 3), "a piece that holds both counts for each by its letters"
    says(house, "Yes.")
    assert (await chat(house)).usage.completion_tokens_details is None


async def test_what_a_schema_asks_for_in_vain_is_told(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model(tmp_path, "qwen3")
    broken = ("tools.time", "tools.weather.properties.city", "tools.weather.properties.city.anyOf[1]")
    places = ("tools.weather.properties.city.not", "tools.time.not", "tools.time.format=secret", *broken)
    house.dispatcher.steps = [wire.Started(1, 5, dropped=places), wire.Token(1, "[]", 1), finished()]
    body = {"model": "tiny", "messages": [USER], "tools": [WEATHER, TIME], "tool_choice": "required"}
    for stream in (False, True):
        caplog.clear()
        data = json.dumps({**body, "stream": stream})
        async with house.session.post(f"{house.url}/v1/chat/completions", data=data) as response:
            assert sorted(response.headers["X-Hoshikage-Ignored"].split(", ")) == sorted(places)
            await response.read()
        (line,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
        assert line == "not enforced: anyOf, format, not, schema", "the request's own words are not for the log"


@pytest.mark.parametrize("strict", [None, False, True])
async def test_each_tool_is_as_strict_as_it_says(house: House, tmp_path: Path, strict: bool | None) -> None:
    model(tmp_path, "qwen3")
    says(house, "[]")
    own = {**WEATHER, "function": {**WEATHER["function"], **({} if strict is None else {"strict": strict})}}
    await chat(house, tools=[own, TIME], tool_choice="required")
    grammar = asked(house).grammar
    assert grammar is not None
    first, second = json.loads(grammar.text)["items"]["anyOf"]
    assert first["properties"]["arguments"]["x-hoshikage"] == {"place": "tools.weather", "strict": strict is True}
    assert second["properties"]["arguments"]["x-hoshikage"] == {"place": "tools.time", "strict": False}
    schema = {"type": "object", "properties": {}}
    named = {"name": "n", "schema": schema, **({} if strict is None else {"strict": strict})}
    await chat(house, response_format={"type": "json_schema", "json_schema": named})
    grammar = asked(house).grammar
    assert grammar is not None
    assert (json.loads(grammar.text), grammar.strict) == (schema, strict is True)


async def test_deltas_of_calls(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen2.5")
    says(house, *(CALL + "\n" + CALL.replace("weather", "time")))
    deltas = [chunk.choices[0].delta for chunk in await chunks_of(house, tools=[WEATHER, TIME])]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert all(delta.content is None for delta in deltas)
    starts = [call for call in calls if call.id]
    assert [(call.index, call.type, call.function.name, call.function.arguments) for call in starts] == [
        (0, "function", "weather", ""),
        (1, "function", "time", ""),
    ]
    pieces = [call for call in calls if not call.id]
    assert len(pieces) > 20
    assert all(call.type is None and call.function.name is None and call.function.arguments for call in pieces)
    assert [call.index for call in calls] == sorted(call.index for call in calls)
    assert starts[0].id != starts[1].id


async def test_a_template_with_tools_gets_them(house: House, tmp_path: Path) -> None:
    model(tmp_path, "lfm2")
    await chat(house, tools=[WEATHER, TIME])
    prompt = prompted(house)
    assert prompt.tools[0] == WEATHER
    assert prompt.tools[1]["function"] == {
        "name": "time",
        "description": "",
        "parameters": {"type": "object", "properties": {}},
    }
    assert [turn.role for turn in prompt.messages] == ["user"]
    assert "<|tool_call_start|>" in asked(house).special_text


HISTORY: Final[list[dict[str, Any]]] = [
    {"role": "system", "content": "Be brief."},
    USER,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "東京"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
]


async def test_a_template_without_tools_gets_an_instruction(house: House, tmp_path: Path) -> None:
    model(tmp_path, "phi4")
    await chat(house, tools=[WEATHER], messages=HISTORY)
    prompt = prompted(house)
    assert prompt.tools == ()
    system, user, assistant, result = prompt.messages
    assert (system.content or "").startswith("Be brief.\n\n# Tools")
    assert '"Tells the weather."' in (system.content or "")
    assert (user.role, assistant.content, assistant.extra) == ("user", CALL, {})
    assert (result.role, result.content) == ("user", "<tool_response>\nsunny\n</tool_response>")


async def test_history_reaches_a_template_that_writes_it(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    await chat(house, tools=[WEATHER], messages=HISTORY)
    call = prompted(house).messages[2]
    assert call.content is None
    assert call.extra["tool_calls"][0]["function"]["arguments"] == {"city": "東京"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("lfm2", "<|tool_call_start|>[weather(city='東京')]<|tool_call_end|>"),
        ("phi4-mini", '<|tool_call|>[{"name": "weather", "arguments": {"city": "東京"}}]<|/tool_call|>'),
    ],
)
async def test_calls_are_written_for_templates_that_do_not(
    house: House, tmp_path: Path, template: str, text: str
) -> None:
    model(tmp_path, template)
    await chat(house, tools=[WEATHER], messages=HISTORY)
    prompt = prompted(house)
    assert prompt.messages[2].content == text
    assert ("tools" in prompt.messages[0].extra) == (template == "phi4-mini")


async def test_no_tools_no_calls(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen2.5")
    says(house, CALL)
    for fields in ({}, {"tools": [WEATHER], "tool_choice": "none"}):
        choice = (await chat(house, **fields)).choices[0]
        assert (choice.finish_reason, choice.message.content, choice.message.tool_calls) == ("stop", CALL, None)
        assert prompted(house).tools == ()
        assert asked(house).special_text == ()


@pytest.mark.parametrize(
    ("choice", "parallel", "schema"),
    [
        ("required", None, {"type": "array", "minItems": 1}),
        ("required", False, {"anyOf": 2}),
        ({"type": "function", "function": {"name": "time"}}, None, {"type": "object"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "weather"}}],
                },
            },
            False,
            {"type": "object"},
        ),
    ],
)
async def test_a_call_that_must_be(
    house: House, tmp_path: Path, choice: Any, parallel: bool | None, schema: dict[str, Any]
) -> None:
    model(tmp_path, "qwen3")
    says(house, '{"name": "weather", "arguments": {"city": "東京"}}', tail="<think>\n")
    more: dict[str, Any] = {} if parallel is None else {"parallel_tool_calls": parallel}
    for whole in (
        await chat(house, tools=[WEATHER, TIME], tool_choice=choice, **more),
        await streamed(house, tools=[WEATHER, TIME], tool_choice=choice, **more),
    ):
        assert whole.choices[0].finish_reason == "tool_calls"
        assert whole.choices[0].message.tool_calls[0].function.name == "weather"
        grammar = asked(house).grammar
        assert grammar is not None
        assert (grammar.kind, grammar.param) == ("json_schema", "tools")
        made = json.loads(grammar.text)
        assert {key: len(made[key]) if isinstance(made[key], list) else made[key] for key in schema} == schema
        assert prompted(house).template_kwargs["enable_thinking"] is False


async def test_allowed_tools_are_the_only_ones(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "time"}}]}
    await chat(house, tools=[WEATHER, TIME], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool["function"]["name"] for tool in prompted(house).tools] == ["time"]
    assert asked(house).grammar is None


async def test_one_call_where_one_is_all_that_may_be(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, CALL, CALL)
    for whole in (
        await chat(house, tools=[WEATHER], parallel_tool_calls=False),
        await streamed(house, tools=[WEATHER], parallel_tool_calls=False),
    ):
        assert len(whole.choices[0].message.tool_calls) == 1


async def test_a_schema_of_gpt_oss_is_held_in_its_final_channel(house: House, tmp_path: Path) -> None:
    model(tmp_path, "gpt-oss")
    says(house, '{"x": 1}')
    answer = await chat(house, response_format={"type": "json_object"}, extra_body={"think": False})
    assert answer.choices[0].message.content == '{"x": 1}'
    assert prompted(house).lead == "<|channel|>final<|message|>"
    assert asked(house).thoughts is None
    await chat(house)
    assert prompted(house).lead == ""


async def test_a_schema_of_gpt_oss_is_held_behind_its_analysis(house: House, tmp_path: Path) -> None:
    model(tmp_path, "gpt-oss")
    says(house, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>", '{"x": 1}')
    answer = await chat(house, response_format={"type": "json_object"}, extra_body={"thinking_budget": 9})
    assert answer.choices[0].message.content == '{"x": 1}'
    assert answer.choices[0].message.reasoning_content == "Hm."
    assert prompted(house).lead == ""
    thoughts = asked(house).thoughts
    assert thoughts is not None
    assert (thoughts.tokens, thoughts.opens, thoughts.closes) == (9, "<|channel|>analysis<|message|>", "<|end|>")
    assert (thoughts.lead_in, thoughts.always) == ("<|start|>assistant<|channel|>final<|message|>", True)


async def test_a_schema_is_held_behind_thoughts(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, "<think>\nHm.\n</think>\n\n", '{"x": 1}')
    answer = await chat(house, response_format={"type": "json_object"})
    message = answer.choices[0].message
    assert (message.reasoning_content, message.content) == ("Hm.", '{"x": 1}')
    assert prompted(house).template_kwargs["enable_thinking"] is True
    assert asked(house).thoughts == ThoughtBudget(None, "<think>", "</think>")
    assert asked(house).special_text == ("<think>", "</think>")
    says(house, '{"x": 1}')
    await chat(house, response_format={"type": "json_object"}, extra_body={"enable_thinking": False})
    assert prompted(house).template_kwargs["enable_thinking"] is False
    assert (asked(house).thoughts, asked(house).special_text) == (None, ())


def marks_in(schema: Any) -> list[dict[str, Any]]:
    """Returns what tells the schemas of one grammar apart."""
    inner = list(schema.values()) if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    own = [schema["x-hoshikage"]] if isinstance(schema, dict) and "x-hoshikage" in schema else []
    return own + [mark for part in inner for mark in marks_in(part)]


STRICT: Final = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}


@pytest.mark.parametrize(
    ("name", "writes", "names"),
    [
        ("qwen3", "I look.\n<tool_call>", ["weather", "time", ""]),
        ("gpt-oss", "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>", ["weather", "time"]),
    ],
)
async def test_strict_tools_are_held_where_the_model_calls_by_itself(
    house: House, tmp_path: Path, name: str, writes: str, names: list[str]
) -> None:
    model(tmp_path, name)
    await chat(house, tools=[STRICT, TIME])
    calls = asked(house).calls
    assert calls is not None
    assert [text for text, _ in calls.grammars] == names
    assert re.search(calls.header, writes)
    places = [mark["place"] for _, grammar in calls.grammars for mark in marks_in(json.loads(grammar.text))]
    assert places == ["tools.weather"] * (len(names) // 2 + len(names) % 2)
    assert asked(house).grammar is None
    await chat(house, tools=[WEATHER, TIME])
    assert asked(house).calls is None
    await chat(house, tools=[STRICT, TIME], tool_choice="required")
    assert asked(house).calls is None


@pytest.mark.parametrize(
    ("name", "writes"),
    [
        ("qwen3-coder", "<tool_call>\n<function="),
        ("glm4.5", "<tool_call>"),
        ("seed-oss", "<function="),
        ("lfm2", "<|tool_call_start|>"),
    ],
)
async def test_strict_tools_are_held_where_a_format_writes_no_json(
    house: House, tmp_path: Path, name: str, writes: str
) -> None:
    model(tmp_path, name)
    headers = await _headers(house, tools=[STRICT, TIME])
    assert "X-Hoshikage-Ignored" not in headers
    calls = asked(house).calls
    assert calls is not None
    met = re.search(calls.header, writes)
    assert met is not None
    assert met.groups() == (None,), "the layout has the names"
    assert [key for key, _ in calls.grammars] == ["weather", "time", ""]
    grammar = calls.grammars[-1][1]
    assert grammar.kind == "layout"
    combined = {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    free = {"type": "function", "function": {"name": "free", "parameters": combined, "strict": True}}
    headers = await _headers(house, tools=[STRICT, free])
    assert headers["X-Hoshikage-Ignored"] == "tools.free.strict"


async def _headers(house: House, **fields: Any) -> Mapping[str, str]:
    data = json.dumps({"model": "tiny", "messages": [USER], **fields})
    async with house.session.post(f"{house.url}/v1/chat/completions", data=data) as response:
        assert response.status == 200
        return response.headers


LAX: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "path",
        "parameters": {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(?!/).*$"}}},
    },
}


@pytest.mark.parametrize("name", ["qwen3", "gpt-oss"])
async def test_beside_a_strict_tool_nothing_of_one_that_is_not_is_held(house: House, tmp_path: Path, name: str) -> None:
    """It is so that nothing of it can be refused, nor is named as ignored."""
    model(tmp_path, name)
    await chat(house, tools=[STRICT, LAX])
    calls = asked(house).calls
    assert calls is not None
    assert all("(?!" not in grammar.text for _, grammar in calls.grammars)
    assert {json.loads(grammar.text)["type"] for key, grammar in calls.grammars if key == "path"} == {"object"}
    assert prompted(house).tools[1]["function"]["parameters"] == LAX["function"]["parameters"]
    await chat(house, tools=[STRICT, LAX], tool_choice="required")
    assert "(?!" in getattr(asked(house).grammar, "text", "")


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ({"type": 5}, ""),
        ({"type": ["string", "word"]}, ""),
        ({"$ref": "#/nowhere"}, ""),
        ({"type": "object", "properties": {"x": {"items": {"$ref": "#/$defs/b"}}}, "$defs": {"a": {}}},
         ".properties.x.items"),
        ({"type": "object", "properties": {"x": {"anyOf": [{}, 5]}}}, ".properties.x.anyOf[1]"),
        ({"type": "object", "properties": []}, ""),
        ({"type": "object", "properties": {"x": {"allOf": {}}}}, ".properties.x"),
        ({"type": "object", "properties": {"x": {"$ref": "#/$defs/a~1b"}, "type": {"items": [{}]}},
          "$defs": {"a/b": True}}, None),
        ({"type": "object", "properties": {"x": {"$ref": "#"}, "y": {"enum": [5], "const": {"type": 5}}}}, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beside", [WEATHER, STRICT])
async def test_what_is_no_schema_is_named_where_nothing_is_held_to_it(
    house: House, tmp_path: Path, beside: Any, broken: Any, where: str | None
) -> None:
    model(tmp_path, "qwen3")
    bad = {"type": "function", "function": {"name": "bad", "parameters": broken}}
    headers = await _headers(house, tools=[beside, bad])
    assert headers.get("X-Hoshikage-Ignored") == (None if where is None else f"tools.bad{where}")
    assert prompted(house).tools[1]["function"]["parameters"] == broken
    headers = await _headers(house, tools=[beside, bad], tool_choice="required")
    assert "X-Hoshikage-Ignored" not in headers, "the engine tells of it"


async def test_tools_beside_a_schema(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    wanted = {"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": wanted}}
    for text, reason in (('{"x": 1}', "stop"), ('{"name": "weather", "arguments": {"city": "x"}}', "tool_calls")):
        says(house, *text)
        choice = (await chat(house, tools=[WEATHER], response_format=form)).choices[0]
        assert choice.finish_reason == reason
        assert (choice.message.content == text) == (reason == "stop")
    grammar = asked(house).grammar
    assert grammar is not None
    made = json.loads(grammar.text)
    assert made["anyOf"][1] == {"$ref": "#/$defs/part0"}
    assert made["$defs"]["part0"]["properties"]["x"] == {"$ref": "#/$defs/part0/$defs/n"}


async def test_thoughts(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, *THOUGHTS, "Yes.")
    for whole in (await chat(house), await streamed(house)):
        message = whole.choices[0].message
        assert message.content == "Yes."
    assert (await chat(house)).choices[0].message.reasoning_content == "Hm."
    deltas = [chunk.choices[0].delta for chunk in await chunks_of(house)]
    thoughts = [delta.reasoning_content for delta in deltas if getattr(delta, "reasoning_content", None)]
    assert "".join(thoughts) == "Hm."
    assert len(thoughts) == 3
    says(house, "Hm.\n</think>\n\nYes.", tail="<think>\n")
    assert (await chat(house)).choices[0].message.reasoning_content == "Hm."


async def test_thoughts_are_switched_off(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    await chat(house, reasoning_effort="none")
    assert prompted(house).template_kwargs["enable_thinking"] is False
    await chat(house, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert prompted(house).template_kwargs["thinking"] is False
    model(tmp_path, "gpt-oss")
    await chat(house, reasoning_effort="none")
    assert prompted(house).template_kwargs["reasoning_effort"] == "low"


async def test_harmony_without_tools(house: House, tmp_path: Path) -> None:
    model(tmp_path, "gpt-oss")
    says(house, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.")
    message = (await chat(house)).choices[0].message
    assert (message.content, message.reasoning_content) == ("Yes.", "Hm.")
    assert "<|channel|>" in asked(house).special_text


@pytest.mark.parametrize(
    ("text", "content", "called", "reason"),
    [
        ('<tool_call>{"nome": "weather"}</tool_call>', '<tool_call>{"nome": "weather"}</tool_call>', None, "stop"),
        (
            'So: <tool_call>{"name": "weather", "arguments": {"city": oops}}</tool_call> Well.',
            "So:Well.",
            '{"city": oops}}',
            "tool_calls",
        ),
        (
            '<tool_call>{"name": "rain", "arguments": oops',
            '<tool_call>{"name": "rain", "arguments": oops',
            None,
            "stop",
        ),
    ],
)
async def test_what_cannot_be_read_comes_as_it_stands_with_a_warning_streamed_or_whole(
    house: House, tmp_path: Path, text: str, content: str, called: str | None, reason: str
) -> None:
    model(tmp_path, "qwen3")
    says(house, *text)
    whole = await chat(house, tools=[WEATHER])
    assert whole.warnings[0]["code"] == "tool_call_unparsed"
    joined = await streamed(house, tools=[WEATHER])
    for choice in (whole.choices[0], joined.choices[0]):
        assert (choice.finish_reason, choice.message.content) == (reason, content)
        calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
        assert calls == ([] if called is None else [("weather", called)])
    chunks = await chunks_of(house, tools=[WEATHER])
    assert chunks[-1].warnings[0]["message"]


async def test_a_call_that_is_cut_off_stays_cut_off(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, '<tool_call>{"name": "weather", "arguments": {"ci', reason="length")
    choice = (await chat(house, tools=[WEATHER])).choices[0]
    assert choice.finish_reason == "length"
    assert choice.message.tool_calls[0].function.arguments == '{"ci'


@pytest.mark.parametrize(
    ("text", "choice", "told"),
    [
        ('[{"name": "wea', "required", None),
        ('[{"name": "weather",', "required", ""),
        ('{"na', {"type": "function", "function": {"name": "weather"}}, None),
        ('{"name": "weather", "arguments"', {"type": "function", "function": {"name": "weather"}}, ""),
    ],
)
async def test_a_forced_call_that_is_cut_early_leaves_nothing_of_its_notation(
    house: House, text: str, choice: Any, told: str | None
) -> None:
    says(house, *text, reason="length")
    asked = {"tools": [WEATHER, TIME], "tool_choice": choice}
    answer = (await chat(house, **asked)).choices[0]
    assert (answer.finish_reason, answer.message.content or "") == ("length", "")
    calls = [(one.function.name, one.function.arguments) for one in answer.message.tool_calls or ()]
    assert calls == ([] if told is None else [("weather", told)])
    choices = [chunk.choices[0] for chunk in await chunks_of(house, **asked) if chunk.choices]
    assert choices[-1].finish_reason == "length"
    assert "".join(one.delta.content or "" for one in choices) == ""
    pieces = [call.function for one in choices for call in one.delta.tool_calls or ()]
    assert ["".join(one.name or "" for one in pieces), "".join(one.arguments or "" for one in pieces)] == (
        ["", ""] if told is None else ["weather", told]
    )


async def test_logprobs_beside_calls_are_all_told(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    tokens = [
        wire.Token(1, one, count, 0, (wire.Chosen(wire.Likely(one, one.encode(), -0.5), ()),))
        for count, one in enumerate("a " + CALL, start=1)
    ]
    house.dispatcher.steps = [wire.Started(1, 5), *tokens, finished()]
    chunks = await chunks_of(house, tools=[WEATHER], logprobs=True)
    told = [one.token for chunk in chunks if chunk.choices[0].logprobs for one in chunk.choices[0].logprobs.content]
    assert ("a " + CALL).startswith("".join(told))
    assert "東京" in "".join(told)


async def test_repairs_are_told(house: House) -> None:
    house.dispatcher.steps = [wire.Started(1, 5, ("system-folded", "roles-merged")), *answer("ok")[1:]]
    for stream in (False, True):
        body = {"model": "tiny", "messages": [USER], "stream": stream}
        async with house.session.post(f"{house.url}/v1/chat/completions", json=body) as response:
            assert response.headers["X-Hoshikage-Template-Repair"] == "system-folded, roles-merged"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": "a\nb"}}]}, "tools[0].function.name"),
        ({"tools": [TIME, TIME]}, "tools[1].function.name"),
        ({"tools": [TIME], "tool_choice": {"type": "function"}}, "tool_choice.function"),
        (
            {"tools": [TIME], "tool_choice": {"type": "function", "function": {"name": "no"}}},
            "tool_choice.function.name",
        ),
        ({"tools": [TIME], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        ({"tools": [TIME], "extra_body": {"grammar": 'root ::= "a"'}}, "grammar"),
        ({"functions": [{"name": "time"}], "tools": [TIME]}, "functions"),
        ({"functions": [{"name": "time"}], "tool_choice": "auto"}, "functions"),
        ({"functions": [{"name": "time"}, {"name": "time"}]}, "functions[1].name"),
        ({"functions": [{"name": "time"}], "function_call": {"name": "no"}}, "function_call.name"),
        ({"function_call": {"name": "time"}}, "function_call.name"),
        ({"functions": [{"name": "time"}], "function_call": "required"}, "function_call"),
        ({"tools": [TIME], "tool_choice": "required", "extra_body": {"ignore_eos": True}}, "ignore_eos"),
    ],
)
async def test_what_is_refused(house: House, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await chat(house, **fields)
    assert refused.value.param == param
