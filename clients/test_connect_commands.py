"""Further programs set up by `hoshikage connect NAME` and nothing else: the lines that it prints are run as they stand,
and what it writes is all that they find. Whole sessions with a command. Test thread.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from clients.conftest import COMMAND, DONE
from clients.more import node_folder
from clients.test_agents import TASK, whole_session
from hoshikage.access.tokens import TokenStore
from hoshikage.registry import Registry
from tests import playback
from tests.conftest import ROOT
from tests.end_to_end.live import LiveServer, home_environ

pytestmark = pytest.mark.clients
CALLS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "cline": ("run_commands", {"commands": [COMMAND]}),
    "copilot": ("bash", {"command": COMMAND, "description": "Makes a file"}),
    "pi": ("bash", {"command": COMMAND}),
}
"""Maps the name for `connect`, which is also its model's label, to the call that the model makes first."""
ARGUMENTS: Final[Mapping[str, str]] = {
    "cline": f"--auto-approve true '{TASK}'",
    "copilot": f"-p '{TASK}' --allow-all-tools",
    "pi": f"-p '{TASK}'",
}
"""The program is started with these, behind the last line that was printed."""
VARIABLES: Final = {"CLINE_TELEMETRY_DISABLED": "1", "PI_OFFLINE": "1", "PI_TELEMETRY": "0", "NO_PROXY": "*"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, library_file: Path) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    config = home / ".config" / "hoshikage"
    registry = Registry(config / "model_map.json")
    template = (ROOT / "tests" / "llama" / "templates" / "qwen2.5.jinja").read_text("utf-8")
    for label, (name, arguments) in CALLS.items():
        said = "I look.\n<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}) + "\n</tool_call>"
        registry.add(label, playback.write(home / f"{label}.gguf", template, [said, DONE], plain="A short title."))
    TokenStore(config / "tokens.json").create("somebody-else", "api")
    environ = home_environ(home, library_file, N_CTX="65536", KV_REUSE="prefix", REQUIRE_TOKEN="always")
    with LiveServer(environ) as live:
        yield live


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Ends what a program leaves behind on purpose, as Cline does its hub: whatever has this test's home."""
    yield
    home = f"HOME={tmp_path / 'home'}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if home in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGTERM)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", CALLS)
def test_what_it_says_is_all_that_a_session_needs(server: LiveServer, tmp_path: Path, name: str) -> None:
    home, repository = tmp_path / "home", tmp_path / "repository"
    home.mkdir()
    repository.mkdir()
    own = {"HOME": str(home), "XDG_CONFIG_HOME": server.variable("XDG_CONFIG_HOME"), "PORT": str(server.port)}
    command = [sys.executable, "-m", "hoshikage", "connect", name, "--model", name, "--token", "--json"]
    command += ["--write"] if name == "pi" else []
    connected = subprocess.run(
        command,
        cwd=home,
        env={**os.environ, **own, "PYTHONPATH": str(ROOT), "HOSHIKAGE_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert connected.returncode == 0, connected.stderr
    *before, last = json.loads(connected.stdout)["commands"]
    script = "\n".join([*before, f"{last} {ARGUMENTS[name]}"])
    programs = node_folder() / "node_modules" / ".bin"
    path = f"{programs}:{os.environ['PATH']}"
    whole_session(["bash", "-euc", script], {**VARIABLES, "PATH": path}, home, repository)
