"""A server process whose answer waits, after its first text, for a line on standard input. Run by test_serve."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

from hoshikage import wire
from hoshikage.api import app
from hoshikage.registry import Registry
from hoshikage.settings import load
from tests.api.conftest import GatedDispatcher, answer


async def main(folder: Path) -> None:
    environ = {"MODEL_MAP_FILE": str(folder / "model_map.json"), "HOSHIKAGE_LANG": "en"}
    settings = load({"PORT": "0"}, {**os.environ, **environ}, folder).settings
    registry = Registry(settings.model_map_file)
    registry.add("tiny", folder / "tiny.gguf")
    dispatcher, gate = GatedDispatcher(), asyncio.Event()
    dispatcher.steps = [wire.Started(1, 5), wire.Token(1, "first", 1), gate, *answer("last")[1:]]
    loop = asyncio.get_running_loop()

    def open_gate() -> None:
        if sys.stdin.readline():
            loop.call_soon_threadsafe(gate.set)

    threading.Thread(target=open_gate, daemon=True).start()
    await app.run(app.create(settings, registry, dispatcher), os.environ)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
