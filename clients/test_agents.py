"""Runs coding agents as people install them: a task, a command that is really run, its result sent back, an end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from clients.conftest import DONE
from clients.pinned import AIDER, npm_folder, python
from tests.end_to_end.live import LiveServer

pytestmark = pytest.mark.clients
TASK: Final = "Make the file made.txt"
SESSION_S: Final = 400
Setting = tuple[list[str], dict[str, str]]
"""An agent has these arguments and variables."""


def codex(url: str, home: Path, _repository: Path) -> Setting:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        'model = "codex"\nmodel_provider = "hoshikage"\n\n[model_providers.hoshikage]\nname = "Hoshikage"\n'
        f'base_url = "{url}/v1"\nwire_api = "responses"\n',
        "utf-8",
    )
    return ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK], {}


def claude(url: str, _home: Path, _repository: Path) -> Setting:
    variables = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return ["-p", TASK, "--model", "claude", "--allowedTools", "Bash"], variables


def opencode(url: str, home: Path, repository: Path) -> Setting:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": "none"},
        "models": {"opencode": {"limit": {"context": 65536, "output": 8192}}},
    }
    settings = {
        "model": "hoshikage/opencode",
        "permission": {"bash": "allow"},
        "autoupdate": False,
        "share": "disabled",
        "provider": {"hoshikage": provider},
    }
    (repository / "opencode.json").write_text(json.dumps(settings), "utf-8")
    variables = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data")}
    return ["run", TASK], {**variables, "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def qwen(url: str, _home: Path, _repository: Path) -> Setting:
    variables = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none", "OPENAI_MODEL": "qwen"}
    return ["--yolo", "--auth-type", "openai", "-p", TASK], variables


def continued(url: str, home: Path, _repository: Path) -> Setting:
    (home / "config.yaml").write_text(
        "name: local\nversion: 0.0.1\nschema: v1\nmodels:\n  - name: star\n    provider: openai\n    model: continue\n"
        f"    apiBase: {url}/v1\n    apiKey: none\n    roles: [chat]\n    capabilities: [tool_use]\n",
        "utf-8",
    )
    arguments = ["-p", TASK, "--auto", "--config", str(home / "config.yaml")]
    return arguments, {"CONTINUE_TELEMETRY_ENABLED": "0", "CONTINUE_GLOBAL_DIR": str(home / ".continue")}


def aider(url: str, _home: Path, _repository: Path) -> Setting:
    arguments = ["--model", "openai/aider", "--edit-format", "diff", "--no-git", "--yes-always", "--message", TASK]
    arguments += ["--no-check-update", "--no-show-model-warnings", "--analytics-disable", "--no-show-release-notes"]
    arguments += ["--map-tokens", "0", "--no-detect-urls", "made.txt"]
    variables = {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return arguments, {**variables, "NO_PROXY": "*"}


AGENTS: Final[Mapping[str, Callable[[str, Path, Path], Setting]]] = {
    "codex": codex,
    "claude": claude,
    "opencode": opencode,
    "qwen": qwen,
    "cn": continued,
    "aider": aider,
}


def program(name: str) -> Path:
    """Returns the file that the agent is installed as."""
    if name == "aider":
        return python(AIDER).with_name(name)
    return npm_folder() / "node_modules" / ".bin" / name


def session(name: str, arguments: list[str], variables: Mapping[str, str], home: Path, repository: Path) -> None:
    """Runs the agent's whole session."""
    whole_session([program(name), *arguments], variables, home, repository)


def whole_session(command: Sequence[str | Path], variables: Mapping[str, str], home: Path, repository: Path) -> None:
    """A program ends well, says so, and has done what it was told."""
    said = home.with_name("said")
    shell = shutil.which("bash") or "/bin/sh"
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "SHELL": shell, "TERM": "dumb", **variables}
    with said.open("wb") as file:
        done = subprocess.run(
            command,
            cwd=repository,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=SESSION_S,
            check=False,
        )
    text = said.read_text("utf-8", "replace")
    assert done.returncode == 0, text[-3000:]
    assert DONE in text
    assert (repository / "made.txt").read_text("utf-8").strip() == "starlight"


@pytest.mark.parametrize("name", AGENTS)
def test_a_session_with_a_command(server: LiveServer, tmp_path: Path, name: str) -> None:
    home, repository = tmp_path / "home", tmp_path / "repository"
    home.mkdir()
    repository.mkdir()
    arguments, variables = AGENTS[name](server.url, home, repository)
    session(name, arguments, variables, home, repository)
