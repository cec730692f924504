"""Runs one server for all clients: a playback model for each, so that template, runner and parser are all real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.registry import Registry
from tests import playback
from tests.conftest import ROOT
from tests.conftest import libraries as libraries
from tests.conftest import library_file as library_file
from tests.end_to_end.live import LiveServer, home_environ

DONE: Final = "The file is there, all is done."
SURE: Final = "surely it does"
COMMAND: Final = "echo starlight > made.txt"
EDIT: Final = f"{DONE}\n\nmade.txt\n```\n<<<<<<< SEARCH\n=======\nstarlight\n>>>>>>> REPLACE\n```\n"
"""aider has files changed like this; it offers no tools."""
CALLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "codex": ("exec_command", {"cmd": COMMAND}),
    "claude": ("Bash", {"command": COMMAND, "description": "Makes a file"}),
    "opencode": ("bash", {"command": COMMAND, "description": "Makes a file"}),
    "qwen": ("run_shell_command", {"command": COMMAND, "description": "Makes a file", "is_background": False}),
    "continue": ("Bash", {"command": COMMAND}),
    "weather": ("weather", {"city": "Tokyo"}),
}
"""Maps the label of a model to the call that it makes first."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, library_file: Path) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    registry = Registry(home / ".config" / "hoshikage" / "model_map.json")
    template = (ROOT / "tests" / "llama" / "templates" / "qwen2.5.jinja").read_text("utf-8")
    for label, (name, arguments) in CALLS.items():
        said = "I look.\n<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}) + "\n</tool_call>"
        file = playback.write(
            home / f"{label}.gguf", template, [said, DONE], plain="A short title.", follows={"?": SURE}
        )
        registry.add(label, file)
    registry.add("aider", playback.write(home / "aider.gguf", template, [DONE], plain=EDIT))
    with LiveServer(home_environ(home, library_file, N_CTX="65536", KV_REUSE="prefix")) as live:
        yield live
