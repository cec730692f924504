"""This program asks for answers over a library whose decodes go on behind their return (late.c), where the logits or
the choosing may take long, too. LIBRARY MODEL on the command line; prints JSON: case -> what was told, how long a token
took that Python works on for a while, and what was learned of the device."""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import time
from pathlib import Path
from typing import Any, Final

from hoshikage import wire
from hoshikage.engine.worker import Worker, _Loaded
from hoshikage.params import GenerationRequest, LoadParams, SamplingParams, TokenPrompt

COST_MS: Final = 6
"""A decode takes so long, as the test sets it."""
BUSY_MS: Final = 4
"""Python works on each token for so long, which is done while the next one is computed."""
SLOW_MS: Final = 2
CASES: Final[dict[str, dict[str, str]]] = {
    "plain": {},
    "logits are slow": {"LLAMA_LATE_COPY": str(SLOW_MS * 1000)},
    "choosing is slow": {"LLAMA_LATE_DRAW": str(SLOW_MS * 1000)},
}
WINDOW: Final = 8
TEXT: Final = TokenPrompt(tuple(range(220, 228)))
SAMPLINGS: Final = {
    "likeliest": SamplingParams(temperature=0),
    "drawn": SamplingParams(temperature=1e-5, top_k=20),  # as good as certain, so that there is something to compare
}
TOKENS: Final = 130
PATIENCE_S: Final = 120.0


class Engine:
    """This is a worker whose events take a while to tell."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[float, wire.Event]] = queue.Queue()
        self.worker = Worker(Path(sys.argv[1]), self._keep, 40, lambda: None)
        self.worker.start()
        self.worker.submit(wire.Load(LoadParams(sys.argv[2], n_ctx=512, n_batch=64, n_threads=1)))
        self._until(wire.Loaded)

    def answer(self, job: int, sampling: SamplingParams) -> list[Any]:
        """Returns the text, and the milliseconds of a token where the machine did nothing else."""
        self.worker.submit(wire.Generate(job, GenerationRequest(TEXT, sampling, max_tokens=TOKENS)))
        told = [(at, event.text) for at, event in self._until(wire.Finished) if isinstance(event, wire.Token)]
        spans = [(told[at + WINDOW][0] - told[at][0]) / WINDOW * 1e3 for at in range(len(told) - WINDOW)]
        return ["".join(text for _, text in told), min(spans)]

    def known(self) -> dict[str, list[Any]]:
        """Maps a kind of chains to the milliseconds that the device saves, and whether it is to choose at all."""
        loaded = self.worker._loaded
        assert isinstance(loaded, _Loaded)
        learned = loaded.scheduler._device.known
        return {kind: [worth.saved * 1e3, worth.cost < math.inf] for kind, worth in learned.items()}

    def stop(self) -> None:
        self.worker.stop()
        self.worker.join()

    def _keep(self, event: wire.Event) -> None:
        if isinstance(event, wire.Token):
            until = time.perf_counter() + BUSY_MS / 1e3
            while time.perf_counter() < until:
                pass
        self.events.put((time.perf_counter(), event))

    def _until(self, kind: type[wire.Event]) -> list[tuple[float, wire.Event]]:
        result: list[tuple[float, wire.Event]] = []
        while not result or not isinstance(result[-1][1], kind):
            result.append(self.events.get(timeout=PATIENCE_S))
        return result


def main() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, variables in CASES.items():
        for variable in ("LLAMA_LATE_COPY", "LLAMA_LATE_DRAW"):
            os.environ[variable] = variables.get(variable, "0")
        engine = Engine()
        told = {kind: engine.answer(job, sampling) for job, (kind, sampling) in enumerate(SAMPLINGS.items(), 1)}
        found[name] = {"told": told, "known": engine.known()}
        engine.stop()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
