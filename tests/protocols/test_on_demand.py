"""A protocol's modules are imported when their names are first used, and a name that is none is said to be none."""

from __future__ import annotations

import pytest

from hoshikage.protocols import openai
from hoshikage.protocols.on_demand import submodules


def test_a_module_comes_with_its_name() -> None:
    assert submodules("hoshikage.protocols.ollama")("writer").__name__ == "hoshikage.protocols.ollama.writer"


def test_a_name_without_a_module_is_no_attribute() -> None:
    assert not hasattr(openai, "chatt")
    with pytest.raises(AttributeError, match=r"module 'hoshikage\.protocols\.openai' has no attribute 'chatt'"):
        submodules("hoshikage.protocols.openai")("chatt")


def test_a_module_that_lacks_another_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is no missing attribute: what is told must name it."""

    def fail(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")

    monkeypatch.setattr("hoshikage.protocols.on_demand.import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="aiohttp"):
        submodules("hoshikage.protocols.openai")("chat")
