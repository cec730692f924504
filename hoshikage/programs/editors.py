"""Tells editors and pages of a server. Pure."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Final

from hoshikage.programs.connection import ProgramContext, Setup
from hoshikage.programs.edits import JsonValues, OwnFile, members

PRODUCT: Final = "Hoshikage"
LLAMA_VSCODE: Final = ("", "_chat", "_tools")
"""llama.vscode has an address and a key for each of these uses: completion, chat, and work with tools."""


def continue_(connection: ProgramContext) -> Setup:
    file = connection.folder("CONTINUE_GLOBAL_DIR", ".continue") / "hoshikage.yaml"
    lines = [f"name: {PRODUCT}", "version: 1.0.0", "schema: v1", "models:"]
    for one in connection.models:
        able = [name for name, has in (("tool_use", one.tools), ("image_input", one.images)) if has]
        roles = ["chat", "edit", "apply", *(["autocomplete"] if one.infill else [])]
        lines += [
            f"  - name: {json.dumps(one.id, ensure_ascii=False)}",
            "    provider: openai",
            f"    model: {json.dumps(one.id, ensure_ascii=False)}",
            f"    apiBase: {json.dumps(connection.url + '/v1')}",
            f"    apiKey: {json.dumps(connection.key)}",
            f"    roles: [{', '.join(roles)}]",
            f"    capabilities: [{', '.join(able)}]",
            "    defaultCompletionOptions:",
            f"      contextLength: {one.context_length}",
            f"      maxTokens: {one.max_answer}",
        ]
    return Setup(
        (OwnFile(file, "\n".join(lines) + "\n"),),
        (f"cn --config {shlex.quote(str(file))}",),
        ("connect.note_continue",),
    )


def zed(connection: ProgramContext) -> Setup:
    models = [
        {
            "name": one.id,
            "display_name": one.id,
            "max_tokens": one.context_length,
            "max_output_tokens": one.max_answer,
            "capabilities": {
                "tools": one.tools,
                "images": one.images,
                "parallel_tool_calls": one.tools,
                "prompt_cache_key": False,
            },
        }
        for one in connection.models
    ]
    provider = {"api_url": f"{connection.url}/v1", "available_models": models}
    if connection.system == "win32":
        folder = connection.folder("APPDATA", "AppData", "Roaming") / "Zed"
    else:
        folder = connection.folder("XDG_CONFIG_HOME", ".config") / "zed"
    edit = JsonValues(folder / "settings.json", members(("language_models", "openai_compatible", PRODUCT), provider))
    return Setup((edit,), (f"export HOSHIKAGE_API_KEY={connection.key}", "zed"), ("connect.note_zed",))


def vscode(connection: ProgramContext) -> Setup:
    models = [
        {
            "id": one.id,
            "name": one.id,
            "url": f"{connection.url}/v1/chat/completions",
            "toolCalling": one.tools,
            "vision": one.images,
            "thinking": one.thinking,
            "maxInputTokens": one.max_prompt,
            "maxOutputTokens": one.max_answer,
        }
        for one in connection.models
    ]
    group = {
        "vendor": "customendpoint",
        "apiKey": connection.key,
        "apiType": "chat-completions",
        "models": models,
    }
    file = _code_folder(connection) / "chatLanguageModels.json"
    return Setup((JsonValues(file, members((("name", PRODUCT),), group)),), notes=("connect.note_vscode",))


def llama_vscode(connection: ProgramContext) -> Setup:
    values = {f"llama-vscode.endpoint{use}": connection.url for use in LLAMA_VSCODE}
    values |= {f"llama-vscode.api_key{use}": connection.token or "" for use in LLAMA_VSCODE}
    values["llama-vscode.ai_model"] = connection.model.id  # by itself it asks for a model of a company's
    return Setup((JsonValues(_code_folder(connection) / "settings.json", members((), values)),))


def _code_folder(connection: ProgramContext) -> Path:
    """Returns the folder where VS Code keeps a user's files."""
    if connection.system == "win32":
        folder = connection.folder("APPDATA", "AppData", "Roaming")
    elif connection.system == "darwin":
        folder = connection.home / "Library" / "Application Support"
    else:
        folder = connection.folder("XDG_CONFIG_HOME", ".config")
    return folder / "Code" / "User"


def llama_vim(connection: ProgramContext) -> Setup:
    config = {
        "endpoint_fim": f"{connection.url}/infill",
        "model_fim": connection.model.id,
        "endpoint_inst": f"{connection.url}/v1/chat/completions",
        "model_inst": connection.model.id,
    }
    if connection.token:
        config["api_key"] = connection.token
    lines = [f"      \\ {_vim(name)}: {_vim(value)}," for name, value in config.items()]
    text = "\n".join(["let g:llama_config = {", *lines, "      \\ }"]) + "\n"
    neovim = connection.folder("XDG_CONFIG_HOME", ".config") / "nvim"
    folder = neovim if neovim.is_dir() else connection.home / ".vim"
    return Setup((OwnFile(folder / "plugin" / "hoshikage.vim", text),), ("vim",))


def open_webui(connection: ProgramContext) -> Setup:
    variables = {
        "OPENAI_API_BASE_URLS": f"{connection.url}/v1",
        "OPENAI_API_KEYS": connection.key,
        "OLLAMA_BASE_URL": connection.url,
    }
    if connection.token:
        variables["OLLAMA_API_CONFIGS"] = json.dumps({"0": {"enable": True, "key": connection.token}})
    lines = tuple(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    return Setup(commands=(*lines, "open-webui serve"), notes=("connect.note_open_webui",))


def _vim(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
