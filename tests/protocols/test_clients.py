"""Sends every program that was looked at sends a request of its shape; none is refused, and no word of it is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from hoshikage.params import GenerationRequest
from hoshikage.settings import Settings
from tests.media_samples import STAR
from tests.protocols.client_shapes import names, shape
from tests.protocols.conftest import House
from tests.protocols.test_chat_tools import model
from tests.protocols.test_media import register
from tests.protocols.test_protocol_fields import Server


class Expected(NamedTuple):
    """A request comes to this; for most, an answer that ignores nothing."""

    ignored: str = ""
    """`ignored` is X-Hoshikage-Ignored."""
    status: int = 200


FINE: Final = Expected()
CODEX: Final = "client_metadata, tools[].external_web_access, prompt_cache_key, reasoning.summary"
CLIENTS: Final[dict[str, Expected]] = {
    "ai-sdk-6-ollama": FINE,
    "ai-sdk-7.0.173-chat": FINE,
    "ai-sdk-7.0.173-completion": FINE,
    "ai-sdk-7.0.173-messages": FINE,
    "ai-sdk-7.0.173-responses": FINE,
    "aider-0.86.2-chat": FINE,
    "aider-0.86.2-ollama_chat": Expected("options.num_ctx"),
    "anthropic-sdk-2.14.0": Expected("tools[].max_uses, tools[1]: web_search_20250305"),
    "claude-code-2.1.332-count-tokens": FINE,
    "claude-code-2.1.332-display-updates": Expected("context_management, metadata"),
    "claude-code-2.1.332-first": Expected("context_management, metadata"),
    "claude-code-2.1.332-image-in-result": Expected(
        "context_management, metadata, messages[3].content[0].content[0]: image"
    ),
    "claude-code-2.1.332-tool-reference": Expected("context_management, metadata"),
    "cline-3.0.65-after-tool": FINE,
    "codex-0.171.0-after-tool": Expected(CODEX + ", tools[8]: web_search"),
    "codex-0.171.0-first-turn": Expected(CODEX + ", tools[8]: web_search"),
    "codex-0.171.0-image": Expected(CODEX + ", tools[8]: web_search", status=400),
    "codex-0.171.0-known-model": Expected(
        "client_metadata, reasoning.context, prompt_cache_key, input[0].tools[0].tools[0].format: lark"
    ),
    "codex-0.171.0-oss-lmstudio-load": FINE,
    "codex-0.171.0-oss-models": FINE,
    "codex-0.171.0-oss-version": FINE,
    "continue-cli-1.5.47-after-tool": FINE,
    "copilot-cli-1.0.102-chat": FINE,
    "copilot-cli-1.0.102-messages-after-tool": FINE,
    "copilot-cli-1.0.102-responses-after-tool": Expected("prompt_cache_key, reasoning.summary"),
    "dspy-3.4.1-ollama_chat": FINE,
    "guidellm-0.8.1-chat": Expected("stream_options.continuous_usage_stats"),
    "guidellm-0.8.1-health": FINE,
    "haystack-ai-3.4.1": FINE,
    "inspect-ai-0.3.285": FINE,
    "instructor-1.17.0": FINE,
    "kilo-7.8.1-after-tool": FINE,
    "langchain-anthropic-1.7.10": FINE,
    "langchain-ollama-1.1.0-chat": FINE,
    "langchain-openai-1.7.4-chat": FINE,
    "langchain-openai-1.7.4-responses": FINE,
    "litellm-1.108.7-embed": FINE,
    "litellm-1.108.7-generate": Expected("options.reasoning_effort"),
    "litellm-1.108.7-ollama_chat": FINE,
    "litellm-1.108.7-rerank": FINE,
    "llama-index-ollama-0.11.0": Expected("options.num_ctx"),
    "llama-index-ollama-embedding-0.10.0": FINE,
    "llama-index-openai-like-0.8.1": FINE,
    "llama.vim-infill": FINE,
    "llama.vscode-chat": FINE,
    "llama.vscode-embeddings": FINE,
    "llm-0.36": FINE,
    "lm-eval-0.4.13-chat": Expected("messages[].type"),
    "lm-eval-completions-loglikelihood": FINE,
    "lmstudio-1.5.0-websocket": Expected(status=404),
    "ollama-curl": FINE,
    "ollama-js-0.6.4-chat": FINE,
    "ollama-js-0.6.4-embeddings": FINE,
    "ollama-python-0.6.3-chat": FINE,
    "ollama-python-0.6.3-show": FINE,
    "ollama-python-0.6.3-unload": FINE,
    "open-webui-0.12.4-llama.cpp": FINE,
    "open-webui-0.12.4-ollama-chat": Expected("options.num_ctx"),
    "open-webui-0.12.4-title": Expected("metadata, user"),
    "open-webui-0.12.4-unload": FINE,
    "openai-3.3.0-embeddings": FINE,
    "openai-agents-0.24.0-chat": FINE,
    "openai-agents-0.24.0-responses": FINE,
    "opencode-1.18.33-chat": FINE,
    "opencode-1.18.33-chat-after-tool": FINE,
    "opencode-1.18.33-messages-after-tool": FINE,
    "opencode-1.18.33-responses": Expected("prompt_cache_key"),
    "pi-1.6.0-chat-after-tool": Expected("store"),
    "pi-1.6.0-responses-after-tool": Expected("prompt_cache_key"),
    "promptfoo-0.123.1": FINE,
    "pydantic-ai-2.38.0-chat": FINE,
    "pydantic-ai-2.38.0-responses": FINE,
    "qwen-code-0.24.4-first": FINE,
    "semantic-kernel-1.45.0": FINE,
    "smolagents-1.26.0": FINE,
    "vscode-copilot-show": FINE,
    "vscode-copilot-tags": FINE,
    "zed-chat": Expected("options.num_ctx"),
}
"""Maps a file in client_requests, named for the program and its version, to what comes of it."""
WITHOUT_REQUEST: Final = {
    "Gemini CLI 0.61.0": "refuses a foreign base URL before any request",
    "Crush 0.96.1": "brings its program from elsewhere as it is installed, and cannot be had from the registries",
    "LM Studio's SDKs": "speak a protocol of their own over a websocket; they are told that it is not here",
}
"""Maps programs of which there is no body to send to the reason."""


def test_every_file_has_a_row() -> None:
    assert sorted(CLIENTS) == names()
    assert all(WITHOUT_REQUEST.values())


@pytest.fixture
def server(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    model(tmp_path, "qwen3")
    return Server(house, monkeypatch)


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_request_as_the_program_sends_it(house: House, server: Server, name: str) -> None:
    asked, expected = shape(name), CLIENTS[name]
    body = None if asked.body is None else json.dumps(asked.body).encode()
    async with house.session.request(
        asked.method, house.url + asked.path, data=body, headers=asked.headers, skip_auto_headers=["Content-Type"]
    ) as response:
        text = await response.text()
        assert response.status == expected.status, text
        assert response.headers.get("X-Hoshikage-Ignored", "") == expected.ignored
    if expected.status == 200:
        said = repr(server.asked)
        assert [words for words in asked.spoken if words not in said] == []
        if asked.body is not None and asked.body.get("stream") and response.content_type == "text/event-stream":
            assert "error" not in text.partition("\n")[0]


@pytest.mark.parametrize("name", ["claude-code-2.1.332-image-in-result", "codex-0.171.0-image"])
async def test_a_picture_as_the_program_sends_it(
    house: House, settings: Settings, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(settings, tmp_path)
    server, asked = Server(house, monkeypatch), shape(name)
    async with house.session.request(
        asked.method, house.url + asked.path, data=json.dumps(asked.body).encode(), headers=asked.headers
    ) as response:
        assert response.status == 200, await response.text()
        assert ": image" not in response.headers.get("X-Hoshikage-Ignored", "")
        assert "input_image" not in response.headers.get("X-Hoshikage-Ignored", "")
    (work,) = server.asked
    assert isinstance(work, GenerationRequest)
    (medium,) = work.chat.media
    assert medium.data == STAR
    assert sum(medium.mark in str(turn.content) for turn in work.chat.messages) == 1
