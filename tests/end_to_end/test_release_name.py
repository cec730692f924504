"""Tests an older library over a real server: its release is known by the files beside it, and what it computes wrongly
is told and left out."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from hoshikage.messages import text
from tests.conftest import SPOILING
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ
from tests.engine_models import write_mamba


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, spoiling_library: Path, demo_model: Path) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    register(home, {LABEL: demo_model, "stateful": write_mamba(home / "mamba.gguf")})
    with LiveServer(home_environ(home, spoiling_library, N_PARALLEL="3", HOSHIKAGE_LANG="en")) as live:
        yield live


def status_behind(server: LiveServer, model: str) -> dict[str, Any]:
    """What the status says when this model has answered."""
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60) as client:
        if model == LABEL:
            messages = [{"role": "user", "content": "hello"}]
            told = client.chat.completions.create(model=model, messages=messages, max_tokens=2)  # type: ignore[arg-type]
            assert told.choices[0].message.content
        else:  # its vocabulary is no chat's
            assert client.completions.create(model=model, prompt="hello", max_tokens=2).choices[0].text
    with urllib.request.urlopen(f"{server.url}/v1/status") as said:
        result: dict[str, Any] = json.load(said)
    return result


def test_the_status_names_the_release(server: LiveServer) -> None:
    library = status_behind(server, LABEL)["library"]
    assert (library["release"], library["version"]) == (SPOILING, SPOILING)


def test_a_model_that_keeps_a_state_is_computed_singly_there(server: LiveServer) -> None:
    plain, stateful = (status_behind(server, model)["model"] for model in (LABEL, "stateful"))
    assert (plain["n_sequences"], plain["warnings"]) == (3, [])
    assert (stateful["n_sequences"], stateful["warnings"]) == (1, [text("en", "engine.one_sequence")])
