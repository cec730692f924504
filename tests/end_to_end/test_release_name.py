"""Tests the release of a library that does not tell it itself: known over a real server by the files beside it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from openai import OpenAI

from tests.conftest import SPOILING
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ


def test_the_status_names_the_release(tmp_path: Path, spoiling_library: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    with (
        LiveServer(home_environ(tmp_path, spoiling_library)) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60) as client,
    ):
        messages = [{"role": "user", "content": "hello"}]
        answer = client.chat.completions.create(model=LABEL, messages=messages, max_tokens=2)  # type: ignore[arg-type]
        assert answer.choices[0].message.content
        with urllib.request.urlopen(f"{server.url}/v1/status") as said:
            library = json.load(said)["library"]
    assert (library["release"], library["version"]) == (SPOILING, SPOILING)
