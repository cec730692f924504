"""The command line in an empty home, as the commands' own tests have it, and nothing of this user's own hub."""

from __future__ import annotations

import os

import pytest

from tests.cli.conftest import cli, registry, work

__all__ = ["cli", "registry", "work"]


@pytest.fixture(autouse=True)
def no_hub_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache, token or proxy of the person who runs the tests takes part."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING_FACE_", "HUGGINGFACE_", "MODELSCOPE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
