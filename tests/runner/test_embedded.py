"""Tests the host inside this process: it gives up on a thread that does not end."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from hoshikage.runner import embedded


class Stuck(threading.Thread):
    """This is a worker whose library never comes back."""

    def __init__(self, *_: Any) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()

    def run(self) -> None:
        self.over.wait()

    def stop(self) -> None: ...


async def test_a_thread_that_does_not_end_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "Worker", Stuck)
    monkeypatch.setattr(embedded, "STOP_S", 0.05)
    host = embedded.EmbeddedHost(Path("libllama.so"), 0, lambda _: None)
    await host.start()
    worker: Any = host._worker
    await host.stop()
    assert worker.is_alive()
    assert "left behind" in caplog.text
    worker.over.set()
    worker.join()
