"""Tests Ollama's /api over a real server and a real libllama: its own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import ollama
import pytest

from tests.end_to_end.conftest import LABEL
from tests.end_to_end.live import LiveServer

QUESTION: Final = "星影とは何ですか？"


@pytest.fixture
def llama(server: LiveServer) -> Iterator[ollama.Client]:
    with ollama.Client(server.url) as client:
        yield client


def chat(llama: ollama.Client, **fields: Any) -> Any:
    messages = [{"role": "user", "content": QUESTION}]
    return llama.chat(**{"model": LABEL, "messages": messages, "options": {"temperature": 0}, **fields})


def test_a_chat_whole_and_streamed(llama: ollama.Client) -> None:
    whole = chat(llama)
    assert whole.message.content
    assert whole.done_reason == "stop"
    parts = list(chat(llama, model=f"{LABEL}:latest", stream=True))
    assert "".join(part.message.content for part in parts) == whole.message.content
    assert parts[-1].eval_count == whole.eval_count
    generated = llama.generate(model=LABEL, prompt=QUESTION, options={"temperature": 0})
    assert generated.response == whole.message.content


def test_a_prompt_as_it_stands(llama: ollama.Client) -> None:
    framed = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    raw = llama.generate(model=LABEL, prompt=framed, raw=True, options={"temperature": 0})
    whole = chat(llama)
    assert (raw.response, raw.prompt_eval_count) == (whole.message.content, whole.prompt_eval_count)


def test_a_conversation_goes_on_behind_its_tokens(llama: ollama.Client) -> None:
    asking: Any = {"model": LABEL, "options": {"temperature": 0, "num_predict": 20}}
    first = llama.generate(prompt=QUESTION, **asking)
    assert first.context is not None
    assert len(first.context) == first.prompt_eval_count + first.eval_count
    second = llama.generate(prompt="x", context=first.context, **asking)
    alone = llama.generate(prompt="x", **asking)
    assert second.context is not None
    assert second.context[: len(first.context)] == first.context
    assert second.prompt_eval_count == len(first.context) + alone.prompt_eval_count
    with pytest.raises(ollama.ResponseError, match="1000000"):
        llama.generate(prompt="x", context=[1_000_000], **asking)


def test_a_form_that_is_held(llama: ollama.Client) -> None:
    schema = {"type": "object", "properties": {"day": {"enum": ["today"]}}, "required": ["day"]}
    assert json.loads(chat(llama, format={**schema, "additionalProperties": False}).message.content) == {"day": "today"}
    likely = chat(llama, logprobs=True, top_logprobs=2, options={"temperature": 0, "num_predict": 3})
    assert len(likely.logprobs) == likely.eval_count == 3


def test_vectors(llama: ollama.Client) -> None:
    found = llama.embed(model=LABEL, input=[QUESTION, "x"])
    assert len(found.embeddings) == 2
    for one in found.embeddings:
        assert sum(number * number for number in one) == pytest.approx(1.0, abs=1e-4)


def test_models(llama: ollama.Client) -> None:
    chat(llama, options={"num_predict": 1})
    assert {one.model for one in llama.list().models} == {LABEL, "endless"}
    (running,) = llama.ps().models
    assert (running.model, running.context_length) == (LABEL, 1024)
    shown = llama.show(LABEL)
    assert shown.details is not None
    assert shown.details.format == "gguf"
    assert shown.template
    with pytest.raises(ollama.ResponseError) as unknown:
        llama.show("nobody")
    assert unknown.value.status_code == 404
