"""Finds where the time of one token goes inside the engine: its loop in this process, with clocks around its parts.

LIBRARY MODEL TOKENS on the command line; one JSON line: part -> microseconds a token. The clocks themselves cost some
tenths of a microsecond a part, which stand in what they are around. Main thread, and the engine's.
"""

from __future__ import annotations

import json
import queue
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.engine.scheduler import Scheduler
from hoshikage.engine.session import Session
from hoshikage.engine.worker import Worker
from hoshikage.llama.context import Context
from hoshikage.llama.sampler import Sampler
from hoshikage.llama.text import TextAssembler
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message, SamplingParams

PARTS = {
    "decode": (Context, "decode"),
    "sampling": (Sampler, "sample"),
    "text": (TextAssembler, "feed"),
    "batch": (Session, "fill"),
    "step": (Scheduler, "step"),
}


def main(library: Path, model: str, tokens: int) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for part, (owner, name) in PARTS.items():
        setattr(owner, name, _clocked(getattr(owner, name), part, spent))
    events: queue.SimpleQueue[wire.Event] = queue.SimpleQueue()
    worker = Worker(library, _clocked(events.put, "emit", spent), 40, lambda: None)
    worker.start()
    worker.submit(wire.Load(LoadParams(model)))
    request = GenerationRequest(ChatPrompt((Message("user", "Hello"),)), SamplingParams(temperature=0), tokens)
    for job in (1, 2):  # the first warms up
        spent.clear()
        worker.submit(wire.Generate(job, request))
        count = _end(events)
    worker.stop()
    worker.join()
    rest = spent["step"] - sum(spent[part] for part in ("decode", "sampling", "text", "batch", "emit"))
    shown = {part: spent[part] for part in ("decode", "sampling", "batch", "text", "emit")} | {"rest": rest}
    return {part: seconds / count * 1e6 for part, seconds in shown.items()}


def _end(events: queue.SimpleQueue[wire.Event]) -> int:
    """The tokens of the job that runs, once it has ended."""
    while True:
        event = events.get()
        if isinstance(event, wire.Failed):
            raise event.error()
        if isinstance(event, wire.Finished):
            return event.completion_tokens


def _clocked(function: Callable[..., Any], part: str, spent: Counter[str]) -> Callable[..., Any]:
    def clocked(*arguments: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            spent[part] += time.perf_counter() - begun  # type: ignore[assignment]  # a Counter of seconds

    return clocked


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
