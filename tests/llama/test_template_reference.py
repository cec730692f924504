"""Prompts are, byte for byte, what Hugging Face's `apply_chat_template` makes of the same conversation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jinja2 import TemplateError
from transformers.utils import chat_template_utils

from hoshikage.errors import TemplateRefused
from hoshikage.llama.template import ChatTemplate, Rendered
from hoshikage.params import ChatPrompt, Message
from hoshikage.tools import detect, detect_thinking, place_of_tools
from tests.llama.conversations import CONVERSATIONS, SYSTEM, TIME, USER, WEATHER

FOLDER: Final = Path(__file__).parent / "templates"
TEMPLATES: Final = {file.stem: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.jinja"))}
NOW: Final = datetime(2026, 7, 9, 12, 30, tzinfo=timezone.utc)
CONTROL: Final = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "<|eot_id|>", "<|channel|>", "[INST]")
FORMATS: Final = {
    "command-r": ("command_r", None),
    "deepseek-r1": ("deepseek", "<think>"),
    "gemma": ("generic", None),
    "gemma3": ("generic", None),
    "glm4.5": ("glm", "<think>"),
    "gpt-oss": ("harmony", None),
    "granite3": ("granite", "<think>"),
    "lfm2": ("lfm2", None),
    "llama3": ("llama3", None),
    "mistral": ("mistral", None),
    "phi4": ("generic", None),
    "phi4-mini": ("phi4", None),
    "qwen2.5": ("hermes", None),
    "qwen3": ("hermes", "<think>"),
    "qwen3-coder": ("tagged_functions", None),
    "seed-oss": ("tagged_functions", "<seed:think>"),
}
Reference = Callable[..., str]


class FrozenDate(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> FrozenDate:
        return cls(2026, 7, 9, 12, 30)


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> Reference:
    """Gives Hugging Face's rendering of (source, prompt), on the day NOW."""
    monkeypatch.setattr(chat_template_utils, "datetime", FrozenDate)

    def render(source: str, prompt: ChatPrompt) -> str:
        messages = [{"role": turn.role, "content": turn.content, **turn.extra} for turn in prompt.messages]
        rendered: Any = chat_template_utils.render_jinja_template(
            [messages],
            tools=list(prompt.tools) or None,
            chat_template=source,
            add_generation_prompt=prompt.add_generation_prompt,
            continue_final_message=prompt.continue_final_message,
            bos_token="<s>",
            eos_token="</s>",
            **prompt.template_kwargs,
        )
        return str(rendered[0][0])

    return render


@cache
def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, "<s>", "</s>", CONTROL)


def ours(source: str, prompt: ChatPrompt) -> Rendered:
    return template(source).render(prompt, NOW)


def same(reference: Reference, source: str, prompt: ChatPrompt) -> bool:
    """Compares; False where the reference refuses the conversation or drops words of it, which is repaired here."""
    try:
        expected = reference(source, prompt)
    except (TemplateError, TypeError, KeyError, AttributeError):
        try:
            rendered = ours(source, prompt)
        except TemplateRefused:
            return False
        turns = [turn for message in prompt.messages for turn in message.extra.get("tool_calls", ())]
        assert rendered.repairs or turns
        return False
    rendered = ours(source, prompt)
    if rendered.repairs:
        assert len(rendered.text) > len(expected)  # it has the words that the template would drop
        return False
    assert rendered.text == expected
    return True


@pytest.mark.long
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_reference_makes_the_same(reference: Reference, name: str) -> None:
    source = TEMPLATES[name]
    compared = 0
    for messages in CONVERSATIONS.values():
        for tools in ((), (WEATHER, TIME)):
            for generation in (True, False):
                prompt = ChatPrompt(messages, tools=tools, add_generation_prompt=generation)
                compared += same(reference, source, prompt)
    assert compared >= 12


@pytest.mark.long
@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(
    "given",
    [
        {"enable_thinking": False},
        {"enable_thinking": True, "thinking": True},
        {"reasoning_effort": "high", "date_string": "1 Jan 2030"},
        {"thinking_budget": 0, "controls": {"length": "short"}, "tools_in_user_message": False},
    ],
)
def test_what_a_request_tells_the_template(reference: Reference, name: str, given: dict[str, Any]) -> None:
    assert same(reference, TEMPLATES[name], ChatPrompt((USER,), tools=(WEATHER,), template_kwargs=given))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("text", ["Once upon", " spaced  ", "m", "星は\n"])
def test_an_answer_that_goes_on(reference: Reference, name: str, text: str) -> None:
    messages = (USER, Message("assistant", text))
    prompt = ChatPrompt(messages, add_generation_prompt=False, continue_final_message=True)
    assert same(reference, TEMPLATES[name], prompt)


@pytest.mark.parametrize("name", TEMPLATES)
def test_formats_are_known_by_their_templates(name: str) -> None:
    source = TEMPLATES[name]
    thinking = detect_thinking(source)
    assert (detect(source).name, thinking and thinking.opens) == FORMATS[name]
    prompt = ChatPrompt((SYSTEM, USER), tools=(WEATHER,))
    assert (place_of_tools(source) == "variable") == ("weather" in ours(source, prompt).text)


def test_where_templates_look_for_tools() -> None:
    assert place_of_tools(TEMPLATES["phi4-mini"]) == "system"
    assert {place_of_tools(TEMPLATES[name]) for name in ("phi4", "gemma", "gemma3", "deepseek-r1")} == {"nowhere"}
    assert place_of_tools(None) == "nowhere"
