"""Tests the RAM disk of a real server: a load from the disk, the copy behind it, a load from the copy, and its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.registry import Registry
from tests.end_to_end.live import LiveServer, home_environ
from tests.end_to_end.test_kv_store import ask
from tests.end_to_end.test_sleep import until

pytestmark = [pytest.mark.native, pytest.mark.process]

QUESTION: Final[dict[str, Any]] = {
    "model": "demo",
    "messages": [{"role": "user", "content": "こんにちは"}],
    "max_tokens": 4,
    "temperature": 0,
}


def say(server: LiveServer) -> str:
    return str(ask(server, "/v1/chat/completions", **QUESTION)["choices"][0]["message"]["content"])


def test_a_copy_is_there_after_a_use_serves_the_next_load_and_goes(
    home: Path, demo_model: Path, library_file: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "ram"
    disk.mkdir(0o700)
    Registry(home / ".config" / "hoshikage" / "model_map.json").add("demo", demo_model)
    environ = home_environ(
        home, library_file, RAMDISK_PATH=str(disk), IDLE_TIMEOUT="2", GREAT_TIMEOUT="0.1", LOG_LEVEL="info"
    )

    def phase(*wanted: str) -> Callable[[], bool]:
        return lambda: server.status()["ramdisk_copy"]["state"] in wanted

    with LiveServer(environ) as server:
        assert server.status()["ramdisk_copy"]["state"] == "none"
        first = say(server)
        assert server.status()["ramdisk_copy"]["state"] in ("waiting", "copying", "held")
        until(phase("held"), "a copy")
        held = server.status()
        assert held["ramdisk"] == {"source": None, "bytes": demo_model.stat().st_size}
        assert held["ramdisk_copy"] == {"state": "held", "why": "asked", "progress": None, "read_mib_s": None}
        (copy,) = disk.glob("hoshikage-*/copy-*/weights.gguf")
        assert copy.read_bytes() == demo_model.read_bytes()
        until(lambda: server.status()["model"]["state"] == "unloaded", "an unload")
        assert say(server) == first
        assert any("checked in" in line or "で確認" in line for line in server.log), "the second load took the copy"
        until(phase("none"), "the copy's end")
        assert list(disk.glob("hoshikage-*/*")) == []
