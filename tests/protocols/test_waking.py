"""Tests what a server that wakes takes from the one that fell asleep."""

from __future__ import annotations

import pytest

from hoshikage import __version__
from hoshikage.http.keys import LORA_SCALES, METRICS
from hoshikage.params import Scaled
from hoshikage.protocols import app
from hoshikage.protocols.waking import Woken
from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.dispatch.test_handed import LISTENING, handed, is_gone
from tests.protocols.conftest import GatedDispatcher


@pytest.mark.process
def test_what_another_version_kept_is_left_and_its_runner_ends(settings: Settings) -> None:
    made = app.create(settings, Registry(settings.model_map_file), GatedDispatcher())
    runner = handed(LISTENING)
    kept = {"version": f"{__version__}.other", "lora_scales": {"small": [("a.gguf", 1.0)]}}
    Woken((), (), {("GET", "/health"): 3}, runner, kept).restore(made)
    assert is_gone(runner.pid)
    assert made[LORA_SCALES] == {}
    assert made[METRICS].requests == {("GET", "/health", 200): 3}


def test_scales_that_were_set_outlive_the_sleep(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = GatedDispatcher()
    restored: list[object] = []
    monkeypatch.setattr(dispatcher, "restore", lambda *given: restored.append(given))
    made = app.create(settings, Registry(settings.model_map_file), dispatcher)
    kept = {
        "version": __version__,
        "measures": made[METRICS].kept_state(),
        "lora_scales": {"small": [("a.gguf", 0.5)]},
        "headers": [],
    }
    Woken((), (), {}, None, kept).restore(made)
    assert restored == [(kept, None)]
    assert made[LORA_SCALES] == {"small": (Scaled("a.gguf", 0.5),)}
