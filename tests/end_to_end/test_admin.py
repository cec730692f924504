"""Administering a real server with a real library by the commands, and its end while requests run and wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ

TURNS: Any = [{"role": "user", "content": "x"}]


def command(environ: dict[str, str], port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hoshikage", *arguments, "--port", str(port)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_load_status_unload(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    environ = home_environ(tmp_path, library_file, REQUIRE_TOKEN="always")
    assert command(environ, 0, "token", "create", "one").returncode == 0
    with LiveServer(environ) as live:
        added = command(environ, live.port, "add", str(demo_model), LABEL, "--verbose")
        assert added.stderr == f"Done by the server at {live.url}.\n"
        assert command(environ, live.port, "load", LABEL).stdout == f"Loaded: {LABEL}\n"
        status = json.loads(command(environ, live.port, "status", "--json").stdout)
        assert (status["model"]["state"], status["model"]["id"]) == ("ready", LABEL)
        assert f"{LABEL} · loaded" in command(environ, live.port, "status").stdout
        listed = json.loads(command(environ, live.port, "list", "--json").stdout)
        assert [model["state"] for model in listed["models"]] == ["loaded"]
        assert command(environ, live.port, "unload").stdout == f"Unloaded: {LABEL}\n"
        status = json.loads(command(environ, live.port, "status", "--json").stdout)
        assert status["model"]["state"] == "unloaded"
        assert status["last_unload"]["resident_bytes"] > 0
        client = OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0)
        with client, pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_a_busy_model_is_not_unloaded_and_the_drain_answers_everybody(
    tmp_path: Path, library_file: Path, endless_model: Path
) -> None:
    environ = home_environ(tmp_path, library_file, DRAIN_TIMEOUT="1", N_CTX="4096")
    register(tmp_path, {"endless": endless_model})
    refused: list[openai.APIStatusError] = []
    with LiveServer(environ) as live, OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
        stream = client.chat.completions.create(model="endless", messages=TURNS, stream=True)
        next(iter(stream))
        busy = command(environ, live.port, "unload")
        assert (busy.returncode, busy.stdout) == (1, "")
        assert "endless" in busy.stderr

        def wait() -> None:
            try:
                client.chat.completions.create(model="endless", messages=TURNS)
            except openai.APIStatusError as error:
                refused.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while json.loads(command(environ, live.port, "status", "--json").stdout)["queue"]["waiting"] != 1:
            pass
        live.process.send_signal(signal.SIGTERM)
        waiting.join(60)
        assert [(error.status_code, error.code) for error in refused] == [(503, "shutting_down")]
        assert live.process.wait(60) == 0
        stream.close()
