"""Tests what each program is told: its files can be read by what reads them, and hold this server's address and
models."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from hoshikage.errors import UsageError
from hoshikage.programs import jsonc
from hoshikage.programs.connection import ProgramContext, ServedModel
from hoshikage.programs.edits import JsonValues, MarkedLines, OwnFile
from hoshikage.programs.table import PROGRAMS

STAR: Final = ServedModel("star", "text", 65536, tools=True, images=False, thinking=True, infill=True)
MOON: Final = replace(STAR, id='moon "7"/it\'s', context_length=8192, images=True)
URL: Final = "http://127.0.0.1:3030"


@pytest.fixture
def connection(tmp_path: Path) -> ProgramContext:
    return ProgramContext(URL, "hsk-secret", STAR, (STAR, MOON), tmp_path, {}, "linux")


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_every_program_learns_the_address_and_the_token(connection: ProgramContext, name: str, system: str) -> None:
    setup = PROGRAMS[name].setup(replace(connection, system=system))
    said = "\n".join([*(edit.applied("") for edit in setup.edits), *setup.commands])
    assert URL in said
    assert "hsk-secret" in said
    assert all(edit.file.is_relative_to(connection.home) for edit in setup.edits)
    for edit in setup.edits:
        assert edit.applied(edit.applied("")) == edit.applied(""), "written twice is written once"
        if edit.file.suffix in (".json", ".jsonc"):
            jsonc.loads(edit.applied(""))


@pytest.mark.parametrize("name", PROGRAMS)
def test_without_a_token_no_program_is_told_one(connection: ProgramContext, name: str) -> None:
    setup = PROGRAMS[name].setup(replace(connection, token=None))
    assert "hsk-" not in "\n".join([*(edit.applied("") for edit in setup.edits), *setup.commands])


def files(connection: ProgramContext, name: str) -> dict[str, str]:
    return {edit.file.name: edit.applied("") for edit in PROGRAMS[name].setup(connection).edits}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_codex_is_told_of_a_provider_and_a_catalogue(connection: ProgramContext) -> None:
    toml = import_module("tomllib")
    named = replace(connection, model=MOON, models=(MOON, STAR))
    found = files(named, "codex")
    settings = toml.loads(found["hoshikage.config.toml"])
    assert settings["model"] == MOON.id
    assert settings["model_context_window"] == 8192
    assert settings["model_providers"]["hoshikage"]["wire_api"] == "responses"
    models = json.loads(found["hoshikage-models.json"])["models"]
    assert Path(settings["model_catalog_json"]).name == "hoshikage-models.json"
    assert [(one["slug"], one["context_window"], one["input_modalities"]) for one in models] == [
        (MOON.id, 8192, ["text", "image"]),
        ("star", 65536, ["text"]),
    ]


def test_contexts_and_abilities_are_the_models_own(connection: ProgramContext) -> None:
    opencode = json.loads(files(connection, "opencode")["opencode.json"])["provider"]["hoshikage"]["models"]
    assert {name: one["limit"]["context"] for name, one in opencode.items()} == {"star": 65536, MOON.id: 8192}
    zed: Any = jsonc.loads(files(connection, "zed")["settings.json"])
    served = zed["language_models"]["openai_compatible"]["Hoshikage"]["available_models"]
    assert [one["capabilities"]["images"] for one in served] == [False, True]
    code = jsonc.loads(files(connection, "vscode")["chatLanguageModels.json"])[0]["models"]
    assert [one["maxInputTokens"] + one["maxOutputTokens"] for one in code] == [65536, 8192]
    claude = json.loads(files(connection, "claude-code")["hoshikage.json"])["env"]
    assert claude["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "65536"


def shape(required: dict[str, str], **others: str) -> dict[str, Any]:
    """Makes the schema of an object with these members, of these types, and with no others."""
    types = {name: {"type": kind} for name, kind in {**required, **others}.items()}
    return {"type": "object", "required": [*required], "properties": types, "additionalProperties": False}


CODE_MODEL: Final = shape(
    {"id": "string", "name": "string", "url": "string", "toolCalling": "boolean", "vision": "boolean",
     "maxInputTokens": "integer", "maxOutputTokens": "integer"}, thinking="boolean", streaming="boolean",
    editTools="array", apiType="string", requestHeaders="object", supportsReasoningEffort="array",
)  # fmt: skip
"""VS Code takes a model of `customendpoint` so: by the manifest of the extension in its repository (2026)."""
ZED_MODEL: Final = shape(
    {"name": "string", "max_tokens": "integer"}, display_name="string", max_output_tokens="integer",
    max_completion_tokens="integer", reasoning_effort="string", capabilities="object",
)  # fmt: skip
"""Zed takes a model of an `openai_compatible` provider so: by its `OpenAiCompatibleAvailableModel` (2026)."""
ZED_ABLE: Final = shape(
    dict.fromkeys(("tools", "images", "parallel_tool_calls", "prompt_cache_key"), "boolean"),
    chat_completions="boolean", interleaved_reasoning="boolean",
)  # fmt: skip
LLAMA_VSCODE: Final = {
    f"llama-vscode.{name}{use}" for name in ("endpoint", "api_key") for use in ("", "_chat", "_tools", "_embeddings")
} | {"llama-vscode.ai_model"}
"""llama.vscode 0.0.63 has these settings, each a string, by its manifest; it sends `ai_model` with every request."""


def test_editors_are_told_what_their_settings_take(connection: ProgramContext) -> None:
    (group,) = jsonc.loads(files(connection, "vscode")["chatLanguageModels.json"])
    assert list(group) == ["name", "vendor", "apiKey", "apiType", "models"]
    zed: Any = jsonc.loads(files(connection, "zed")["settings.json"])
    provider = zed["language_models"]["openai_compatible"]["Hoshikage"]
    assert list(provider) == ["api_url", "available_models"]
    for schema, values in (
        (CODE_MODEL, group["models"]),
        (ZED_MODEL, provider["available_models"]),
        (ZED_ABLE, [one["capabilities"] for one in provider["available_models"]]),
    ):
        assert values
        for value in values:
            Draft202012Validator(schema).validate(value)
    llama: Any = jsonc.loads(files(connection, "llama-vscode")["settings.json"])
    assert set(llama) <= LLAMA_VSCODE
    assert all(isinstance(value, str) for value in llama.values())
    assert llama["llama-vscode.ai_model"] == "star", "its own default is a model of a company's"
    assert {llama[f"llama-vscode.endpoint{use}"] for use in ("", "_chat", "_tools")} == {URL}


def test_open_webui_has_the_token_for_both_of_its_connections(connection: ProgramContext) -> None:
    def variables(token: str | None) -> dict[str, str]:
        *lines, _ = PROGRAMS["open-webui"].setup(replace(connection, token=token)).commands
        return dict(shlex.split(line)[1].split("=", 1) for line in lines)

    told = variables("hsk-secret")
    assert told["OPENAI_API_KEYS"] == "hsk-secret"
    assert json.loads(told["OLLAMA_API_CONFIGS"]) == {"0": {"enable": True, "key": "hsk-secret"}}
    assert "OLLAMA_API_CONFIGS" not in variables(None)


CODE: Final = """\
// my models
[
    {"name": "Mine", "vendor": "openai", "apiKey": "${input:other}"}, // kept
    {
        "name": "Hoshikage", /* ours */
        "vendor": "customendpoint",
        "apiKey": "none",
        "apiType": "chat-completions",
        "models": [], // here
        "settings": {"star": {"reasoningEffort": "low"}}, // what VS Code keeps of each model
    },
]
"""
OPENCODE: Final = """\
{
  // mine
  "provider": {
    "hoshikage": {
      "npm": "@ai-sdk/openai-compatible", "name": "Hoshikage",
      "options": {"baseURL": "http://127.0.0.1:3030/v1", "apiKey": "none", "timeout": 600000 /* slow */},
      "models": {}
    }
  }
}
"""


@pytest.mark.parametrize(("name", "text", "empty"), [("vscode", CODE, "[]"), ("opencode", OPENCODE, "{}")])
def test_what_a_person_adds_to_our_section_stays(connection: ProgramContext, name: str, text: str, empty: str) -> None:
    (edit,) = PROGRAMS[name].setup(connection).edits
    after = edit.applied(text)
    assert edit.applied(after) == after
    head, models, tail = text.partition(f'"models": {empty}')
    assert models
    assert after.startswith(head.replace('"apiKey": "none"', '"apiKey": "hsk-secret"') + '"models": ')
    assert after.endswith(tail)
    written: Any = jsonc.loads(after)
    section = written["provider"]["hoshikage"] if name == "opencode" else written[1]
    assert len(section["models"]) == 2


def test_llama_vim_asks_here_for_gaps_and_for_edits(connection: ProgramContext) -> None:
    text = files(connection, "llama-vim")["hoshikage.vim"]
    pairs = dict(re.findall(r"^ +\\ '(\w+)': '([^']*)',$", text, re.MULTILINE))
    assert pairs == {
        "endpoint_fim": f"{URL}/infill",
        "model_fim": "star",
        "endpoint_inst": f"{URL}/v1/chat/completions",
        "model_inst": "star",
        "api_key": "hsk-secret",
    }


def test_the_users_own_settings_stay(connection: ProgramContext, tmp_path: Path) -> None:
    written = '{\n  // mine\n  "model": "other",\n  "provider": {"other": {}}\n}\n'
    edit = PROGRAMS["opencode"].setup(connection).edits[0]
    after = edit.applied(written)
    assert after.startswith('{\n  // mine\n  "model": "other",\n  "provider": {"other": {},')
    assert set(jsonc.loads(after)["provider"]) == {"other", "hoshikage"}
    assert isinstance(edit, JsonValues)
    with pytest.raises(UsageError) as refused:
        edit.applied('{"provider": 7}')
    assert refused.value.key == "connect.file_no_object"
    assert (refused.value.details["line"], refused.value.details["column"]) == (1, 14)


def test_a_block_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    def block(model: str) -> MarkedLines:
        return MarkedLines(tmp_path / ".env", ("OPENAI_BASE_URL=a", f"OPENAI_MODEL={model}"))

    once = block("one").applied("OTHER=1")
    assert once.startswith("OTHER=1\n# >>> hoshikage >>>\nOPENAI_BASE_URL=a\nOPENAI_MODEL=one\n# <<<")
    assert block("two").applied(once + "LAST=2\n") == once.replace("=one", "=two") + "LAST=2\n"
    with pytest.raises(UsageError) as taken:
        block("one").applied("export OPENAI_MODEL=mine\n")
    assert (taken.value.key, taken.value.details["name"]) == ("connect.name_taken", "OPENAI_MODEL")
    with pytest.raises(UsageError) as torn:
        block("one").applied("# >>> hoshikage >>>\nOPENAI_MODEL=x\n")
    assert torn.value.key == "connect.mark_missing"


def test_a_file_of_our_own_is_what_it_is(tmp_path: Path) -> None:
    assert OwnFile(tmp_path / "x", "new").applied("old") == "new"


@pytest.mark.parametrize(
    "name", [name for name in PROGRAMS if name not in ("cline", "copilot", "openai", "open-webui")]
)
@pytest.mark.parametrize(("mark", "end"), [("\ufeff", "\n"), ("", "\r\n"), ("\ufeff", "\r\n")])
def test_each_file_keeps_its_first_bytes_and_its_line_ends(
    connection: ProgramContext, name: str, mark: str, end: str
) -> None:
    later = PROGRAMS[name].setup(replace(connection, model=MOON, models=(MOON, STAR), url="http://127.0.0.1:1"))
    edits = PROGRAMS[name].setup(connection).edits
    assert edits
    for edit, other in zip(edits, later.edits, strict=True):
        plain = edit.applied("")
        assert edit.applied(mark + plain.replace("\n", end)) == mark + plain.replace("\n", end)
        assert other.applied(mark + plain.replace("\n", end)) == mark + other.applied(plain).replace("\n", end)


def test_a_block_among_other_line_ends_is_one_block(tmp_path: Path) -> None:
    def block(model: str) -> MarkedLines:
        return MarkedLines(tmp_path / ".env", (f"OPENAI_MODEL={model}",))

    mine = "\ufeffOTHER=1\r\nMORE=2\nLAST=3"
    once = block("one").applied(mine)
    assert once == mine + "\n# >>> hoshikage >>>\nOPENAI_MODEL=one\n# <<< hoshikage <<<\n".replace("\n", "\r\n")
    assert block("two").applied(once) == once.replace("=one", "=two")
    cut = once.removesuffix("\r\n")
    assert block("two").applied(cut) == cut.replace("=one", "=two"), "the last line needs no end"
    for taken in ("\ufeffOPENAI_MODEL=mine", "A=1\rOPENAI_MODEL=mine"):
        with pytest.raises(UsageError, match="name_taken"):
            block("one").applied(taken)
