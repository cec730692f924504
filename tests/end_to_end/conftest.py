"""Servers for the end-to-end tests: real processes, one for the built-in model, shared by the tests that can share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from openai import OpenAI

from hoshikage.registry import Registry
from tests.end_to_end.live import LiveServer, home_environ

LABEL: Final = "hoshikage-tiny"
TURN: Final = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n", re.DOTALL)


def messages_of(prompt: str) -> list[dict[str, str]]:
    """Returns the messages that a rendered ChatML prompt was made of."""
    return [{"role": role, "content": content} for role, content in TURN.findall(prompt)]


def register(home: Path, models: dict[str, Path]) -> None:
    registry = Registry(home / ".config" / "hoshikage" / "model_map.json")
    for label, file in models.items():
        registry.add(label, file)


@pytest.fixture(scope="session")
def endless_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a model of random weights that never ends its answer and has no chat template."""
    from bench_models import SHAPES, write

    return write(SHAPES["tiny"], tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, library_file: Path, demo_model: Path, endless_model: Path
) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    register(home, {LABEL: demo_model, "endless": endless_model})
    with LiveServer(home_environ(home, library_file, N_CTX="1024")) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client
