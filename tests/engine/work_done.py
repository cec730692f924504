"""This program has the engine thread do work with several models and prints what came: LIBRARY, then JSON of [[model
file, [work, ...]], ...] on standard input. Work is [name of its class in params, arguments], and a third value where it
is to be cancelled once it has begun."""

from __future__ import annotations

import json
import queue
import struct
import sys
from pathlib import Path
from typing import Any

from hoshikage import params, wire
from hoshikage.engine.worker import Worker
from hoshikage.params import GenerationRequest, LoadParams, SamplingParams

PATIENCE_S = 120.0
N_BATCH = 64


def main() -> list[list[dict[str, Any]]]:
    events: queue.Queue[wire.Event] = queue.Queue()
    worker = Worker(Path(sys.argv[1]), events.put, 40, lambda: None)
    worker.start()
    found: list[list[dict[str, Any]]] = []
    for model, works in json.load(sys.stdin):
        worker.submit(wire.Load(LoadParams(model, n_ctx=512, n_batch=N_BATCH, n_threads=1)))
        until(events, wire.Loaded, wire.Failed)
        found.append([])
        for number, (name, arguments, *cancelled) in enumerate(works):
            worker.submit(wire.command_for(number, work(name, arguments)))
            if cancelled:
                until(events, wire.Prefill)
                worker.cancel(number)
            found[-1].append(shown(until(events, wire.Finished, wire.Failed)))
    worker.stop()
    worker.join()
    return found


def work(name: str, arguments: list[Any]) -> params.Work:
    if name.endswith("Prompt"):
        prompt = getattr(params, name)(*map(frozen, arguments))
        return GenerationRequest(prompt, SamplingParams(temperature=0), max_tokens=4, echo=True)
    made: params.Work = getattr(params, name)(*map(frozen, arguments))
    return made


def frozen(value: Any) -> Any:
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def until(events: queue.Queue[wire.Event], *kinds: type) -> list[wire.Event]:
    found: list[wire.Event] = []
    while not found or not isinstance(found[-1], kinds):
        found.append(events.get(timeout=PATIENCE_S))
    return found


def shown(events: list[wire.Event]) -> dict[str, Any]:
    end = events[-1]
    return {
        "error": end.key if isinstance(end, wire.Failed) else None,
        "reason": end.reason if isinstance(end, wire.Finished) else None,
        "prompt_tokens": end.prompt_tokens if isinstance(end, wire.Finished) else None,
        "vectors": [struct.unpack(f"<{len(e.values) // 4}f", e.values) for e in events if isinstance(e, wire.Vector)],
        "scores": [event.value for event in events if isinstance(event, wire.Score)],
        "echo": "".join(event.text for event in events if isinstance(event, wire.Echo)),
        "progress": [event.done for event in events if isinstance(event, wire.Prefill)],
    }


if __name__ == "__main__":
    print(json.dumps(main()))
