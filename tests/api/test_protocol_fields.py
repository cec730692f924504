"""Fields of Responses, Messages and Ollama: those without an effect have none, what cannot be done is refused."""

from __future__ import annotations

from typing import Any, Final

import pytest

from hoshikage.api.schema import anthropic, ollama, responses
from hoshikage.errors import ParameterUnsupported

WITHOUT_EFFECT: Final[dict[str, dict[str, Any]]] = {
    "responses": {
        "include": ["reasoning.encrypted_content"],
        "max_tool_calls": 3,
        "prompt_cache_key": "x",
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "explicit"},
        "reasoning.summary": {"reasoning": {"summary": "auto"}},
        "safety_identifier": "x",
        "stream_options.include_obfuscation": {"stream_options": {"include_obfuscation": True}},
        "user": "x",
    },
    "anthropic": {
        "cache_control": {"type": "ephemeral"},
        "context_management": {"edits": []},
        "diagnostics": {"x": 1},
        "inference_geo": "jp",
        "metadata": {"user_id": "x"},
        "service_tier": "auto",
        "messages[].content[].signature": {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "signature": "y"}]}]
        },
    },
    "ollama": {
        "keep_alive": "5m",
        "truncate": True,
        "shift": True,
        "options.num_ctx": {"options": {"num_ctx": 8192, "num_gpu": 1, "num_thread": 2, "use_mmap": True}},
        "verbose": True,
    },
}
"""Protocol -> a value for each field; for one inside another, what is sent."""
REFUSED: Final[dict[str, dict[str, Any]]] = {
    "responses": {
        "background": True,
        "context_management": [{"type": "compaction"}],
        "conversation": "x",
        "moderation": {"model": "x"},
        "prompt": {"id": "x"},
        "truncation": "auto",
    },
    "anthropic": {"container": "x", "mcp_servers": [{"name": "x"}], "speed": "fast"},
    "ollama": {"context": [1], "images": ["x"], "template": "x", "width": 1, "height": 1, "steps": 1},
}
NAMED: Final = {"responses": responses, "anthropic": anthropic, "ollama": ollama}


def understood(protocol: str, **fields: Any) -> Any:
    """The chat that such a request asks for."""
    if protocol == "responses":
        return responses.to_chat(responses.parse({"model": "m", "input": "x", **fields}), ())
    if protocol == "ollama":
        return ollama.chat_of_prompt(ollama.parse_generate({"model": "m", "prompt": "x", **fields}))
    messages = [{"role": "user", "content": "x"}]
    return anthropic.to_chat(anthropic.parse({"model": "m", "max_tokens": 9, "messages": messages, **fields}))


@pytest.mark.parametrize("protocol", WITHOUT_EFFECT)
def test_what_has_no_effect_has_none(protocol: str) -> None:
    samples = WITHOUT_EFFECT[protocol]
    assert set(samples) == set(NAMED[protocol].WITHOUT_EFFECT)
    for name, value in samples.items():
        fields = value if "." in name else {name: value}
        assert understood(protocol, **fields) == understood(protocol), name


@pytest.mark.parametrize("protocol", REFUSED)
def test_what_cannot_be_done_is_refused_and_asking_for_nothing_is_not(protocol: str) -> None:
    neutral = NAMED[protocol].NEUTRAL
    assert set(REFUSED[protocol]) == set(neutral)
    for name, value in REFUSED[protocol].items():
        for nothing in neutral[name]:
            assert understood(protocol, **{name: nothing}) == understood(protocol)
        with pytest.raises(ParameterUnsupported) as refused:
            understood(protocol, **{name: value})
        assert refused.value.param == name
