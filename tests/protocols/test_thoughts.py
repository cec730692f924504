"""Tests thoughts: every spelling with which clients want none, or so many tokens at most, on every protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.params import ThoughtBudget
from tests.gguf_files import STRING, Gguf
from tests.protocols.conftest import House
from tests.protocols.test_chat_tools import asked, model, prompted

CHAT: Final = "/v1/chat/completions"
RESPONSES: Final = "/v1/responses"
MESSAGES: Final = "/v1/messages"
OLLAMA: Final = "/api/chat"
TURNS: Final[dict[str, dict[str, Any]]] = {
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4096},
    OLLAMA: {"messages": [{"role": "user", "content": "hi"}], "stream": False},
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
}
OFF: Final[list[tuple[str, dict[str, Any]]]] = [
    *(
        (CHAT, fields)
        for fields in (
            {"reasoning_effort": "none"},
            {"reasoning_effort": "off"},
            {"reasoning_effort": "disabled"},
            {"enable_thinking": False},
            {"enable_thinking": "false"},
            {"think": False},
            {"think": "off"},
            {"thinking": False},
            {"thinking": "disabled"},
            {"thinking": {"type": "disabled"}},
            {"reasoning": False},
            {"reasoning": {"effort": "none"}},
            {"reasoning": {"enabled": False}},
            {"reasoning": {"max_tokens": 0}},
            {"thinking_budget": 0},
            {"thinking_budget_tokens": 0},
            {"reasoning_budget": 0},
            {"reasoning_budget_tokens": 0},
            {"chat_template_kwargs": {"enable_thinking": False}},
            {"chat_template_kwargs": {"enable_thinking": "no"}},
            {"chat_template_kwargs": {"thinking": False}},
            {"chat_template_kwargs": {"thinking_mode": "disabled"}},
            {"chat_template_kwargs": {"thinking_budget": 0}},
        )
    ),
    (RESPONSES, {"reasoning": {"effort": "none"}}),
    (RESPONSES, {"reasoning": {"enabled": False}}),
    (RESPONSES, {"reasoning": {"max_tokens": 0}}),
    (RESPONSES, {"chat_template_kwargs": {"enable_thinking": False}}),
    (MESSAGES, {}),
    (MESSAGES, {"thinking": {"type": "disabled"}}),
    (OLLAMA, {"think": False}),
]
BUDGETS: Final[list[tuple[str, dict[str, Any]]]] = [
    *(
        (CHAT, fields)
        for fields in (
            {"thinking_budget": 1024},
            {"thinking_budget_tokens": 1024},
            {"reasoning_budget": 1024},
            {"reasoning_budget_tokens": 1024.0},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"reasoning": {"max_tokens": 1024}},
            {"chat_template_kwargs": {"thinking_budget": 1024}},
        )
    ),
    (RESPONSES, {"reasoning": {"max_tokens": 1024}}),
    (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
]


def shown(case: Any) -> str:
    return case if isinstance(case, str) else json.dumps(case)


async def ask(house: House, route: str, fields: dict[str, Any]) -> None:
    body = json.dumps({"model": "tiny", **TURNS[route], **fields})
    status, answer, _ = await house.ask("POST", route, body)
    assert status == 200, answer


@pytest.mark.parametrize(("route", "fields"), OFF, ids=shown)
async def test_every_spelling_of_no_thoughts(house: House, tmp_path: Path, route: str, fields: dict[str, Any]) -> None:
    model(tmp_path, "qwen3")
    await ask(house, route, fields)
    kwargs = prompted(house).template_kwargs
    assert kwargs["enable_thinking"] is False
    assert kwargs["thinking"] is False
    assert kwargs["thinking_budget"] == 0
    assert kwargs["thinking_mode"] == "disabled"
    assert asked(house).thoughts is None


@pytest.mark.parametrize(("route", "fields"), BUDGETS, ids=shown)
async def test_every_spelling_of_a_bound(house: House, tmp_path: Path, route: str, fields: dict[str, Any]) -> None:
    model(tmp_path, "qwen3")
    await ask(house, route, fields)
    assert prompted(house).template_kwargs["enable_thinking"] is True
    assert asked(house).thoughts == ThoughtBudget(1024, "<think>", "</think>")


@pytest.mark.parametrize("route", [CHAT, RESPONSES, OLLAMA])
async def test_thoughts_are_on_where_nothing_is_said(house: House, tmp_path: Path, route: str) -> None:
    model(tmp_path, "qwen3")
    await ask(house, route, {})
    kwargs = prompted(house).template_kwargs
    assert kwargs["enable_thinking"] is kwargs["thinking"] is True
    assert asked(house).thoughts is None


@pytest.mark.parametrize(
    ("effort", "word"),
    [("none", "no_think"), ("minimal", "no_think"), ("low", "low"), ("medium", "low"), ("high", "high"),
     ("xhigh", "high"), ("max", "high")],
)  # fmt: skip
async def test_an_effort_is_told_in_a_word_that_the_template_knows(
    house: House, tmp_path: Path, effort: str, word: str
) -> None:
    source = (
        "{% if reasoning_effort not in ['no_think', 'low', 'high'] %}{{ raise_exception('unknown') }}{% endif %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    Gguf().with_pair("tokenizer.chat_template", STRING, source).write(tmp_path / "tiny.gguf")
    await ask(house, CHAT, {"reasoning_effort": effort})
    assert prompted(house).template_kwargs["reasoning_effort"] == word


NAMED: Final = (
    "{{ tools }}{{ reasoning_effort in ['no_think', 'low', 'high'] }}<tool_sep{{ ':opensource' }}>{{ messages }}"
)


async def test_an_effort_goes_by_every_name_that_templates_have(house: House, tmp_path: Path) -> None:
    Gguf().with_pair("tokenizer.chat_template", STRING, NAMED).write(tmp_path / "tiny.gguf")
    await ask(house, CHAT, {})
    assert prompted(house).template_kwargs["reasoning_effort"] == "high", "it would not think by itself"
    await ask(house, CHAT, {"reasoning_effort": "max"})
    kwargs = prompted(house).template_kwargs
    words = [kwargs[name] for name in ("reasoning_effort", "thinking_effort", "reasoning_strength")]
    assert words == ["high", "high", "xhigh"]
    await ask(house, CHAT, {"reasoning_effort": "none"})
    kwargs = prompted(house).template_kwargs
    assert kwargs["reasoning_effort"] == "no_think"
    assert "thinking_effort" not in kwargs
