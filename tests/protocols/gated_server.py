"""Runs a server process whose answer waits, after its first text, for a line on standard input. Run by test_serve.

For the model `queued` an answer waits for its turn, which does not come; for `stuck` a thread waits for a disk.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from hoshikage import wire
from hoshikage.dispatch.client import Note, Waiting
from hoshikage.errors import ShuttingDown
from hoshikage.params import Work
from hoshikage.protocols import app
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import load
from tests.protocols.conftest import GatedDispatcher, Step, answer


class Dispatcher(GatedDispatcher):
    def __init__(self, steps: list[Step], disk: Path) -> None:
        super().__init__()
        self._disk = disk
        refused = ShuttingDown("dispatch.shutting_down", retry_after=5)
        self._steps: dict[str, list[Step]] = {"tiny": steps, "queued": [Waiting(1), self.drained, refused]}

    async def generate(self, spec: ModelSpec, request: Work) -> AsyncGenerator[Note, None]:
        if spec.label == "stuck":
            sys.stderr.write("stuck\n")
            await asyncio.to_thread(os.open, self._disk, os.O_RDONLY)
        self.steps = self._steps[spec.label]
        async with aclosing(super().generate(spec, request)) as notes:
            async for note in notes:
                yield note

    async def preload(self, spec: ModelSpec) -> None:
        sys.stderr.write(f"preloaded {spec.label}\n")


async def main(folder: Path) -> None:
    environ = {"MODEL_MAP_FILE": str(folder / "model_map.json"), "HOSHIKAGE_LANG": "en"}
    settings = load({"PORT": "0"}, {**os.environ, **environ}, folder).settings
    registry = Registry(settings.model_map_file)
    registry.add("tiny", folder / "tiny.gguf")
    registry.add("queued", folder / "tiny.gguf")
    registry.add("stuck", folder / "tiny.gguf")
    gate = asyncio.Event()
    dispatcher = Dispatcher([wire.Started(1, 5), wire.Token(1, "first", 1), gate, *answer("last")[1:]], folder / "disk")
    loop = asyncio.get_running_loop()

    def open_gate() -> None:
        if sys.stdin.readline():
            loop.call_soon_threadsafe(gate.set)

    threading.Thread(target=open_gate, daemon=True).start()
    await app.run(app.create(settings, registry, dispatcher), os.environ)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
