"""Tests Anthropic's Messages over a real server and a real libllama: their SDK's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import anthropic
import pytest

from tests.end_to_end.conftest import LABEL
from tests.end_to_end.live import LiveServer

QUESTION: Final = "星影とは何ですか？"
WEATHER: Final[Any] = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"day": {"enum": ["today", "tomorrow"]}},
        "required": ["day"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def claude(server: LiveServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


def asking(**fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": LABEL, "max_tokens": 200, "messages": messages, "extra_body": {"temperature": 0}, **fields}


def test_a_message_whole_streamed_and_counted(claude: anthropic.Anthropic) -> None:
    whole = claude.messages.create(**asking())
    text = whole.content[0].text
    assert text
    assert whole.stop_reason == "end_turn"
    with claude.messages.stream(**asking()) as stream:
        assert "".join(stream.text_stream) == text
        final = stream.get_final_message()
    assert final.usage == whole.usage
    counted = claude.messages.count_tokens(model=LABEL, messages=[{"role": "user", "content": QUESTION}])
    assert counted.input_tokens == whole.usage.input_tokens


def test_stops(claude: anthropic.Anthropic) -> None:
    text = claude.messages.create(**asking()).content[0].text
    middle = text[len(text) // 2 :][:3]
    cut = claude.messages.create(**asking(stop_sequences=[middle]))
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", middle)
    assert cut.content[0].text == text[: text.index(middle)]
    short = claude.messages.create(**asking(max_tokens=2))
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 2)
    endless = claude.messages.create(**asking(model="endless", max_tokens=5000))
    assert endless.stop_reason == "model_context_window_exceeded"


def test_a_call_that_must_be(claude: anthropic.Anthropic) -> None:
    fields = asking(tools=[WEATHER], tool_choice={"type": "tool", "name": "weather"})
    whole = claude.messages.create(**fields)
    (call,) = whole.content
    assert (call.name, whole.stop_reason) == ("weather", "tool_use")
    assert call.input["day"] in ("today", "tomorrow")
    with claude.messages.stream(**fields) as stream:
        assert stream.get_final_message().content[0].input == call.input  # type: ignore[union-attr]


def test_errors(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(**asking(model="nobody"))
    with pytest.raises(anthropic.BadRequestError, match="1024"):
        claude.messages.create(**asking(messages=[{"role": "user", "content": "x " * 3000}]))
