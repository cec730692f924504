"""This program sends the same request in several surroundings with DETERMINISTIC=on. LIBRARY MODEL on the command line;
prints JSON: tokens with their log probabilities."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.params import ChatPrompt, GenerationRequest, Message, SamplingParams
from tests.engine.modes_done import Engine

SEED = 7
QUESTION = "Which API does it have, and how do I add a model of my own?"


def asked(seed: int = SEED, **more: Any) -> GenerationRequest:
    sampling = SamplingParams(temperature=4.0, top_k=0, top_p=1.0, seed=seed)
    return GenerationRequest(ChatPrompt((Message("user", QUESTION),)), sampling, max_tokens=30, logprobs=0, **more)


def run(engine: Engine, request: GenerationRequest) -> tuple[dict[int, list[list[Any]]], wire.Finished]:
    job = engine.submit(request)
    found: dict[int, list[list[Any]]] = {}
    while job not in engine.ends:
        event = engine.take()
        if isinstance(event, wire.Token):
            told = found.setdefault(event.choice, [])
            told += [[one.token.raw.hex(), one.token.logprob] for one in event.logprobs or ()]
    end = engine.ends[job]
    assert isinstance(end, wire.Finished), end
    return found, end


def main() -> dict[str, Any]:
    engine = Engine(Path(sys.argv[1]), sys.argv[2], deterministic=True, speculation="lookup")
    try:
        alone, _ = run(engine, asked())
        following, _ = run(engine, asked(SEED + 1))
        run(engine, asked(3, cache_prompt=True))
        after, end = run(engine, asked(cache_prompt=True))
        choices, _ = run(engine, asked(choices=2))
    finally:
        engine.stop()
    return {
        "alone": alone[0],
        "next seed": following[0],
        "after": after[0],
        "cached": end.timings.cached_tokens,
        "choices": choices,
    }


if __name__ == "__main__":
    print(json.dumps(main()))
