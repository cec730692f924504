"""Tells coding agents of a server. Pure.

Where a program takes a further file, it gets one of its own, so that its usual settings stay as they are.
"""

from __future__ import annotations

import json
import shlex
from typing import Any, Final

from hoshikage.programs.connection import ProgramContext, ServedModel, Setup
from hoshikage.programs.edits import JsonValues, MarkedLines, OwnFile, members

CODEX_INSTRUCTIONS: Final = (
    "You are a coding agent in the user's repository. Look at files before you change them, make the smallest change "
    "that does what was asked, run the tests that the repository has, and say briefly what you did."
)
CODEX_OUTPUT_SHARE: Final = 8
"""A tool's output may take this part of the context."""


def codex(connection: ProgramContext) -> Setup:
    folder = connection.folder("CODEX_HOME", ".codex")
    catalogue = folder / "hoshikage-models.json"
    model = connection.model
    lines = [
        f"model = {_toml(model.id)}",
        'model_provider = "hoshikage"',
        f"model_context_window = {model.context_length}",
        f"model_catalog_json = {_toml(str(catalogue))}",
        'web_search = "disabled"',
        "",
        "[model_providers.hoshikage]",
        'name = "Hoshikage"',
        f"base_url = {_toml(connection.url + '/v1')}",
        'wire_api = "responses"',
        *([f"experimental_bearer_token = {_toml(connection.token)}"] if connection.token else ()),
    ]
    models = {"models": [_codex_model(one, number) for number, one in enumerate(connection.models)]}
    return Setup(
        (
            OwnFile(folder / "hoshikage.config.toml", "\n".join(lines) + "\n"),
            OwnFile(catalogue, _json(models)),
        ),
        ("codex -p hoshikage",),
    )


def _codex_model(model: ServedModel, number: int) -> dict[str, Any]:
    """Returns a model's entry as Codex 0.171.0 reads it: Codex ends at a field that it needs and does not find."""
    return {
        "slug": model.id,
        "display_name": model.id,
        "description": "Hoshikage",
        "supported_reasoning_levels": [],
        "shell_type": "default",
        "visibility": "list",
        "supported_in_api": True,
        "priority": number + 1,
        "base_instructions": CODEX_INSTRUCTIONS,
        "supports_reasoning_summaries": model.thinking,
        "support_verbosity": False,
        "truncation_policy": {"mode": "tokens", "limit": max(1, model.context_length // CODEX_OUTPUT_SHARE)},
        "supports_parallel_tool_calls": model.tools,
        "context_window": model.context_length,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if model.images else ["text"],
    }


def claude_code(connection: ProgramContext) -> Setup:
    file = connection.folder("CLAUDE_CONFIG_DIR", ".claude") / "hoshikage.json"
    model = connection.model
    environ = {
        "ANTHROPIC_BASE_URL": connection.url,
        "ANTHROPIC_AUTH_TOKEN": connection.key,
        "ANTHROPIC_MODEL": model.id,
        "ANTHROPIC_SMALL_FAST_MODEL": model.id,
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(model.context_length),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(model.max_answer),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return Setup((OwnFile(file, _json({"env": environ})),), (f"claude --settings {shlex.quote(str(file))}",))


def opencode(connection: ProgramContext) -> Setup:
    folder = connection.folder("XDG_CONFIG_HOME", ".config") / "opencode"
    commented = folder / "opencode.jsonc"
    models = {
        one.id: {
            "name": one.id,
            "limit": {"context": one.context_length, "output": one.max_answer},
            "tool_call": one.tools,
            "attachment": one.images,
            "reasoning": one.thinking,
        }
        for one in connection.models
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Hoshikage",
        "models": models,
    }
    section = ("provider", "hoshikage")
    options = {"baseURL": f"{connection.url}/v1", "apiKey": connection.key}
    edit = JsonValues(
        commented if commented.exists() else folder / "opencode.json",
        [*members(section, provider), *members((*section, "options"), options)],
    )
    return Setup((edit,), (f"opencode -m {shlex.quote('hoshikage/' + connection.model.id)}",))


def qwen_code(connection: ProgramContext) -> Setup:
    lines = (
        f"OPENAI_BASE_URL={connection.url}/v1",
        f"OPENAI_API_KEY={connection.key}",
        f"OPENAI_MODEL={connection.model.id}",
    )
    return Setup((MarkedLines(connection.home / ".qwen" / ".env", lines),), ("qwen --auth-type openai",))


def cline(connection: ProgramContext) -> Setup:
    model, url = shlex.quote(connection.model.id), shlex.quote(f"{connection.url}/v1")
    command = f"cline auth --provider openai --apikey {connection.key} --modelid {model} --baseurl {url}"
    return Setup(commands=(command, "cline"), notes=("connect.note_cline",))


def aider(connection: ProgramContext) -> Setup:
    settings = connection.home / ".aider.hoshikage.yml"
    metadata = connection.home / ".aider.hoshikage.json"
    lines = {
        "model": f"openai/{connection.model.id}",
        "openai-api-base": f"{connection.url}/v1",
        "openai-api-key": connection.key,
        "model-metadata-file": str(metadata),
    }
    models = {
        f"openai/{one.id}": {
            "max_input_tokens": one.context_length,
            "max_output_tokens": one.max_answer,
            "litellm_provider": "openai",
            "mode": "chat",
            "supports_vision": one.images,
        }
        for one in connection.models
    }
    text = "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in lines.items())
    return Setup(
        (OwnFile(settings, text), OwnFile(metadata, _json(models))),
        (f"aider --config {shlex.quote(str(settings))}",),
    )


def copilot(connection: ProgramContext) -> Setup:
    variables = {
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_BASE_URL": f"{connection.url}/v1",
        "COPILOT_PROVIDER_API_KEY": connection.key,
        "COPILOT_MODEL": connection.model.id,
    }
    return Setup(commands=(*_exports(variables), "copilot"))


def pi(connection: ProgramContext) -> Setup:
    models = [
        {
            "id": one.id,
            "reasoning": one.thinking,
            "input": ["text", "image"] if one.images else ["text"],
            "contextWindow": one.context_length,
            "maxTokens": one.max_answer,
        }
        for one in connection.models
    ]
    provider = {
        "baseUrl": f"{connection.url}/v1",
        "api": "openai-completions",
        "apiKey": connection.key,
        "models": models,
    }
    file = connection.home / ".pi" / "agent" / "models.json"
    command = f"pi --provider hoshikage --model {shlex.quote(connection.model.id)}"
    return Setup((JsonValues(file, members(("providers", "hoshikage"), provider)),), (command,))


def openai(connection: ProgramContext) -> Setup:
    return Setup(
        commands=_exports({"OPENAI_BASE_URL": f"{connection.url}/v1", "OPENAI_API_KEY": connection.key}),
        notes=("connect.note_openai",),
    )


def _exports(variables: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _toml(text: str) -> str:
    """Writes a basic string of TOML; JSON's escapes are among its own, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
