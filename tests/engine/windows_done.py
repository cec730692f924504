"""This program sends the same requests to a model with a sliding window, whose memory keeps the window or the whole
text. LIBRARY MODEL on the command line; prints JSON: mode -> what was answered, with its log probabilities."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.params import GenerationRequest, SamplingParams, TokenPrompt
from tests.engine.modes_done import Engine

LENGTHS = (300, 40, 180, 700)
"""These are the lengths of prompts: several windows of 64 tokens, or less than one."""
MODES: dict[str, dict[str, Any]] = {
    "whole": {"kv_reuse": "prefix", "checkpoint_memory": 0},
    "window": {},
    "checkpoints": {"kv_reuse": "prefix", "checkpoint_tokens": 128},
    "together": {"n_parallel": 3},
    "lookup": {"speculation": "lookup"},
}
Answer = list[list[Any]]


def prompt(length: int) -> tuple[int, ...]:
    rng = random.Random(length)
    return tuple(1 if not at else rng.randrange(3, 352) for at in range(length))


def asked(tokens: tuple[int, ...], **more: Any) -> GenerationRequest:
    return GenerationRequest(TokenPrompt(tokens), SamplingParams(temperature=0), max_tokens=24, logprobs=0, **more)


def run(engine: Engine, *requests: GenerationRequest) -> list[dict[int, Answer]]:
    """Returns, by choice, [token's text, log probability] of each answer; all are asked for at once."""
    jobs = [engine.submit(request) for request in requests]
    found: dict[int, dict[int, Answer]] = {job: {} for job in jobs}
    while not all(job in engine.ends for job in jobs):
        event = engine.take()
        if isinstance(event, wire.Token):
            told = found[event.job].setdefault(event.choice, [])
            told += [[one.token.raw.hex(), one.token.logprob] for one in event.logprobs or ()]
    return [found[job] for job in jobs]


def answers(library: Path, model: str, mode: dict[str, Any]) -> dict[str, Any]:
    given = {"n_ctx": 2048, "n_batch": 64, "flash_attn": "off", **mode}
    engine = Engine(library, model, **given)
    try:
        plain = run(engine, *(asked(prompt(length), cache_prompt=False) for length in LENGTHS))
        (several,) = run(engine, asked(prompt(300), choices=2, cache_prompt=False))
        kept = []
        for cut in (700, 690, 650, 400, 60):  # back to the end, within what is kept beside the window, and beyond
            tokens = (*prompt(700)[:cut], 5, 6, 7)
            kept += run(engine, asked(prompt(700), cache_prompt=True), asked(tokens, cache_prompt=True))
    finally:
        engine.stop()
    return {"plain": plain, "several": several, "kept": kept}


def main() -> dict[str, Any]:
    library, model = Path(sys.argv[1]), sys.argv[2]
    return {name: answers(library, model, mode) for name, mode in MODES.items()}


if __name__ == "__main__":
    print(json.dumps(main()))
