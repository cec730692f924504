"""This program asks a model that keeps a state several things at once. LIBRARY MODEL on the command line; prints JSON:
the model's facts, and for each mode which answers differ from those of a model that was loaded anew for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.params import GenerationRequest, SamplingParams, TokenPrompt
from tests.engine.modes_done import Engine
from tests.engine_models import words

PROMPTS = [words(*((start + 5 * word) % 90 for word in range(12 + start))) for start in range(0, 30, 3)]
MODES: dict[str, dict[str, Any]] = {
    "together": {"n_parallel": 3},
    "kept": {"kv_reuse": "prefix"},
    "kept together": {"n_parallel": 3, "kv_reuse": "prefix"},
    "guessed": {"speculation": "lookup"},
    "drafted": {"draft_path": "model", "n_parallel": 2},
}


def asked(prompt: tuple[int, ...], choices: int = 1) -> GenerationRequest:
    return GenerationRequest(TokenPrompt(prompt), SamplingParams(temperature=0), max_tokens=10, choices=choices)


def alone(library: Path, model: str, prompt: tuple[int, ...]) -> str:
    engine = Engine(library, model)
    job = engine.submit(asked(prompt))
    engine.finish()
    engine.stop()
    return engine.text(job)


def main() -> dict[str, Any]:
    library, model = Path(sys.argv[1]), sys.argv[2]
    right = [alone(library, model, prompt) for prompt in PROMPTS]
    found: dict[str, Any] = {"different": len(set(right)), "wrong": {}}
    for name, mode in MODES.items():
        engine = Engine(library, model, **mode)
        jobs = {engine.submit(asked(prompt, 1 + number % 3)): number for number, prompt in enumerate(PROMPTS)}
        engine.finish()
        assert all(isinstance(end, wire.Finished) for end in engine.ends.values()), engine.ends
        found["wrong"][name] = [
            (number, choice)
            for job, number in jobs.items()
            for choice, text in engine.choices[job].items()
            if text != right[number]
        ]
        if name == "together":
            found["n_sequences"], found["warnings"] = engine.model.n_sequences, engine.model.warnings
        engine.stop()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
