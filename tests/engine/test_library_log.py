"""What of the library's log goes on as it is, and which of its warnings are none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hoshikage import wire
from hoshikage.engine.worker import Worker

OVERFLOW = "llama_context: n_ctx_seq (2048) > n_ctx_train (1024) -- possible training context overflow"


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (OVERFLOW, logging.DEBUG),
        (OVERFLOW.replace("n_ctx_seq", "n_ctx_pre_seq"), logging.DEBUG),
        ("llama_kv_cache_unified_iswa: using full-size SWA cache (ref: …)", logging.DEBUG),
        ("llama_context: n_ctx_seq (512) < n_ctx_train (1024) -- not all of it is used", logging.WARNING),
    ],
)
def test_a_warning_without_a_reason_is_told_to_those_who_look_closely(line: str, level: int) -> None:
    for wanted in (logging.DEBUG, logging.INFO):
        events: list[wire.Event] = []
        Worker(Path(), events.append, wanted, lambda: None)._log(logging.WARNING, line)
        assert events == ([wire.Log(level, line)] if level >= wanted else [])
