"""This program prints what a model's vocabulary alone says, and what the loaded model says, as JSON: LIBRARY, MODEL."""

from __future__ import annotations

import json
import os
import queue
import sys
from pathlib import Path

from hoshikage import params, wire
from hoshikage.engine.worker import Worker

PATIENCE_S = 120.0
TEXT = "Hello, 星影<|im_end|>"
REQUEST = params.GenerationRequest(params.ChatPrompt((params.Message("user", "What is Hoshikage?"),)))


def main() -> None:
    events: queue.Queue[wire.Event] = queue.Queue()
    worker = Worker(Path(sys.argv[1]), events.put, 40, lambda: None)
    worker.start()
    found = [said(worker, events, vocab_only=vocab_only) for vocab_only in (True, False)]
    worker.submit(wire.Generate(9, REQUEST))
    started = until(events, wire.Started)[-1]
    assert isinstance(started, wire.Started)
    print(json.dumps({"words": found[0], "model": found[1], "started": started.prompt_tokens}))
    sys.stdout.flush()
    os._exit(0)


def said(worker: Worker, events: queue.Queue[wire.Event], *, vocab_only: bool) -> list[object]:
    worker.submit(wire.Load(params.LoadParams(sys.argv[2], n_ctx=256, n_threads=1, vocab_only=vocab_only)))
    until(events, wire.Loaded)
    found: list[object] = []
    tokens: tuple[int, ...] = ()
    for number in range(4):
        tasks = (
            params.Tokenization(TEXT, True, True),
            params.Detokenization(tokens),
            params.Rendering(REQUEST.chat),
            params.Counting(REQUEST),
        )
        worker.submit(wire.Perform(number, tasks[number]))
        for event in until(events, wire.Finished):
            if isinstance(event, wire.Tokens):
                tokens = event.tokens
                found.append(tokens)
            elif isinstance(event, wire.Text):
                found.append(event.text)
            elif isinstance(event, wire.Finished):
                found.append(event.prompt_tokens)
    return found


def until(events: queue.Queue[wire.Event], kind: type) -> list[wire.Event]:
    found: list[wire.Event] = []
    while not found or not isinstance(found[-1], kind):
        found.append(events.get(timeout=PATIENCE_S))
        assert not isinstance(found[-1], wire.Failed), found[-1]
    return found


if __name__ == "__main__":
    main()
