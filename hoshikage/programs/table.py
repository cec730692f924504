"""Lists every program that can be connected, in one table. Values; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hoshikage.programs import agents, editors
from hoshikage.programs.connection import Form, ProgramContext, Setup

AGENT_TOKENS: Final = 32_768
"""A coding agent sends 20,000 to 30,000 tokens before it does anything."""


@dataclass(frozen=True, slots=True)
class Program:
    """This is one program: how it is told of a server, and in which form it asks."""

    title: str
    setup: Callable[[ProgramContext], Setup]
    form: Form
    is_agent: bool = False
    """`is_agent` tells whether it sends long prompts and needs tools."""


PROGRAMS: Final[Mapping[str, Program]] = {
    "codex": Program("Codex CLI", agents.codex, "responses", is_agent=True),
    "claude-code": Program("Claude Code", agents.claude_code, "messages", is_agent=True),
    "opencode": Program("opencode", agents.opencode, "chat", is_agent=True),
    "qwen-code": Program("Qwen Code", agents.qwen_code, "chat", is_agent=True),
    "cline": Program("Cline", agents.cline, "chat", is_agent=True),
    "continue": Program("Continue", editors.continue_, "chat", is_agent=True),
    "aider": Program("aider", agents.aider, "chat"),
    "copilot": Program("GitHub Copilot CLI", agents.copilot, "chat", is_agent=True),
    "pi": Program("pi", agents.pi, "chat", is_agent=True),
    "zed": Program("Zed", editors.zed, "chat", is_agent=True),
    "vscode": Program("VS Code", editors.vscode, "chat", is_agent=True),
    "llama-vim": Program("llama.vim", editors.llama_vim, "infill"),
    "llama-vscode": Program("llama.vscode", editors.llama_vscode, "infill"),
    "open-webui": Program("Open WebUI", editors.open_webui, "ollama"),
    "openai": Program("OpenAI SDK", agents.openai, "chat"),
}
