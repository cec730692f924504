"""Tests responses over a real server and a real libllama: the OpenAI SDK's own client."""

from __future__ import annotations

import json
from typing import Any, Final

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.end_to_end.conftest import LABEL

QUESTION: Final = "星影とは何ですか？"
WEATHER: Final[Any] = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"day": {"enum": ["today", "tomorrow"]}},
        "required": ["day"],
        "additionalProperties": False,
    },
}


class Choice(BaseModel):
    day: bool


def create(client: OpenAI, given: Any = QUESTION, **fields: Any) -> Any:
    return client.responses.create(model=LABEL, input=given, temperature=0, **fields)


def test_an_answer_is_the_chats(client: OpenAI) -> None:
    chat = client.chat.completions.create(model=LABEL, messages=[{"role": "user", "content": QUESTION}], temperature=0)
    response = create(client)
    assert response.output_text == chat.choices[0].message.content
    assert response.usage.input_tokens == chat.usage.prompt_tokens if chat.usage else False
    counted = client.responses.input_tokens.count(model=LABEL, input=QUESTION)
    assert counted.input_tokens == response.usage.input_tokens
    with client.responses.stream(model=LABEL, input=QUESTION, temperature=0) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == response.output_text


def test_a_prompt_over_the_context_is_counted_and_refused(client: OpenAI) -> None:
    long = "x " * 3000
    counted = client.responses.input_tokens.count(model=LABEL, input=long).input_tokens
    assert counted > 1024
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, long)
    assert refused.value.code == "context_length_exceeded"
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["n_prompt_tokens"] == counted
    assert refused.value.param == "input"


def test_a_conversation_goes_on(client: OpenAI) -> None:
    first = create(client)
    second = create(client, "こんにちは！", previous_response_id=first.id)
    told = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "こんにちは！"},
    ]
    assert second.output_text == create(client, told).output_text
    assert client.responses.retrieve(second.id) == second
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    assert create(client, "x", previous_response_id=second.id, max_output_tokens=1).status == "incomplete"


def test_forms_that_are_held(client: OpenAI) -> None:
    called = create(client, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False)
    (call,) = [item for item in called.output if item.type == "function_call"]
    assert json.loads(call.arguments)["day"] in ("today", "tomorrow")
    given = [
        {"role": "user", "content": QUESTION},
        *[item.model_dump(exclude_none=True) for item in called.output],
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    assert create(client, given, tools=[WEATHER], max_output_tokens=5).usage.output_tokens <= 5
    parsed = client.responses.parse(model=LABEL, input=QUESTION, text_format=Choice, temperature=0)
    assert parsed.output_parsed is not None
