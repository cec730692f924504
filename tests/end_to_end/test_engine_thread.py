"""Tests ENGINE=thread: the same engine inside the server's process. Only the host differs."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from openai import OpenAI

from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ

QUESTION = "星影とは何ですか？"


def answer(server: LiveServer) -> str | None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        stream = client.chat.completions.create(
            model=LABEL, messages=[{"role": "user", "content": QUESTION}], temperature=0, stream=True
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def test_both_hosts_give_the_same_answer(tmp_path: Path, library_file: Path, demo_model: Path) -> None:
    register(tmp_path, {LABEL: demo_model})
    answers, runners = [], []
    for engine in ("process", "thread"):
        with LiveServer(home_environ(tmp_path, library_file, ENGINE=engine)) as server:
            answers.append(answer(server))
            with urllib.request.urlopen(f"{server.url}/v1/status") as status:
                runners.append(json.load(status)["runner"]["pid"] == server.process.pid)
    assert answers[0]
    assert answers[0] == answers[1]
    assert runners == [False, True]
