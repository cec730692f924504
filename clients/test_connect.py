"""Coding agents set up by `hoshikage connect NAME --write --token` and nothing else: whole sessions with a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from clients.test_agents import TASK, session
from tests.conftest import ROOT
from tests.end_to_end.live import LiveServer

pytestmark = pytest.mark.clients
AGENTS: Final[dict[str, tuple[str, str, list[str]]]] = {
    "codex": (
        "codex",
        "codex",
        ["exec", "-p", "hoshikage", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK],
    ),
    "claude-code": (
        "claude",
        "claude",
        ["--settings", "{home}/.claude/hoshikage.json", "-p", TASK, "--allowedTools", "Bash"],
    ),
    "opencode": ("opencode", "opencode", ["run", "-m", "hoshikage/opencode", TASK]),
    "qwen-code": ("qwen", "qwen", ["--yolo", "--auth-type", "openai", "-p", TASK]),
    "continue": ("continue", "cn", ["-p", TASK, "--auto", "--config", "{home}/.continue/hoshikage.yaml"]),
    "aider": (
        "aider",
        "aider",
        [
            *("--config", "{home}/.aider.hoshikage.yml", "--edit-format", "diff", "--no-git", "--yes-always"),
            *("--no-check-update", "--no-show-model-warnings", "--analytics-disable", "--no-show-release-notes"),
            *("--map-tokens", "0", "--no-detect-urls", "--message", TASK, "made.txt"),
        ],
    ),
}
"""Maps the name for `connect` to the label of its model, its program, and what it is started with."""
VARIABLES: Final = {
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "CONTINUE_TELEMETRY_ENABLED": "0",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_PROXY": "*",
}


@pytest.mark.parametrize("name", AGENTS)
def test_what_was_written_is_all_that_a_session_needs(server: LiveServer, tmp_path: Path, name: str) -> None:
    label, program, arguments = AGENTS[name]
    home, repository = tmp_path / "home", tmp_path / "repository"
    home.mkdir()
    repository.mkdir()
    (repository / "opencode.json").write_text(json.dumps({"permission": {"bash": "allow"}}), "utf-8")
    places = {"HOME": str(home), "XDG_CONFIG_HOME": server.variable("XDG_CONFIG_HOME")}
    own = {**os.environ, **places, "PORT": str(server.port), "PYTHONPATH": str(ROOT), "HOSHIKAGE_LANG": "en"}
    command = [sys.executable, "-m", "hoshikage", "connect", name, "--model", label, "--write", "--token", "--check"]
    done = subprocess.run(command, cwd=home, env=own, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "was answered to its end" in done.stdout
    found = [part.replace("{home}", str(home)) for part in arguments]
    session(program, found, {**VARIABLES, "XDG_CONFIG_HOME": places["XDG_CONFIG_HOME"]}, home, repository)
