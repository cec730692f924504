"""What the server has imported when it first answers /health: start and idle memory are the imports' doing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

pytestmark = pytest.mark.process

PROGRAM: Final = """
import json, os, signal, sys, threading
from hoshikage.protocols import app
from hoshikage.cli.main import main

def look():
    told.append(sorted(sys.modules))
    os.kill(os.getpid(), signal.SIGTERM)

told = []
real = app.run

async def run(application, environ, passed=(), on_ready=None, woken=None):
    await real(application, environ, passed, look)

app.run = run
main(["--port", "0"])
print(json.dumps(told[0]))
"""
LATER: Final = {
    # of others
    "numpy", "jinja2", "rich", "llguidance", "dotenv", "pynvml", "sqlite3", "tarfile",
    "xml", "curses", "unittest", "chromadb", "sklearn", "sentencex",
    # our own
    "hoshikage._ffi", "hoshikage.llama", "hoshikage.engine", "hoshikage.runner.main", "hoshikage.tools",
    "hoshikage.keeper", "hoshikage.memory", "hoshikage.answer.remembering",
    "hoshikage.library.selection", "hoshikage.answer.schema", "hoshikage.answer.prepared", "hoshikage.answer.shapes",
    "hoshikage.protocols.openai.chat", "hoshikage.protocols.openai.completions",
    "hoshikage.protocols.openai.responses", "hoshikage.protocols.openai.embeddings",
    "hoshikage.protocols.anthropic.handlers", "hoshikage.protocols.ollama.handlers",
    "hoshikage.protocols.llama_server.handlers", "hoshikage.protocols.hoshikage.admin",
    "hoshikage.protocols.hoshikage.openapi", "hoshikage.protocols.hoshikage.reference",
    "hoshikage.cli.add", "hoshikage.cli.list", "hoshikage.cli.table", "hoshikage.cli.client",
}  # fmt: skip
"""Nothing of these is needed to say that the server is healthy, and each costs milliseconds or memory."""


def test_only_what_is_needed_to_answer_health_is_imported(tmp_path: object) -> None:
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    loaded = json.loads(ran.stdout)
    assert "aiohttp.web" in loaded
    assert "hoshikage.protocols.app" in loaded
    early = {name for name in loaded for later in LATER if name == later or name.startswith(f"{later}.")}
    assert early == set()
