"""This program compares answers of one model with changing adapters, beside those of models that have them in their
weights. LIBRARY FOLDER on the command line; prints JSON: for each mode the answers that differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.params import GenerationRequest, SamplingParams, Scaled, TokenPrompt
from tests.adapter_files import write_control_vector, write_lora, write_merged
from tests.engine.modes_done import Engine

SETS: tuple[dict[int, float], ...] = ({}, {1: 1.0}, {2: 1.0}, {}, {1: 0.5}, {1: 1.0, 2: -0.5}, {2: 1.0}, {1: 0.0})
"""Maps a seed to its scale, in the order of the requests."""
MODES: dict[str, dict[str, Any]] = {
    "one": {},
    "together": {"n_parallel": 3},
    "kept": {"kv_reuse": "prefix"},
    "kept together": {"kv_reuse": "prefix", "n_parallel": 3},
}
PROMPTS = {"long": tuple(260 + 7 * place % 90 for place in range(20)), "short": (261,)}
"""The short one's batch has the shape of the answer's before it, which some releases go on with."""


def asked(prompt: str, **more: Any) -> GenerationRequest:
    return GenerationRequest(TokenPrompt(PROMPTS[prompt]), SamplingParams(temperature=0), max_tokens=12, **more)


def main() -> dict[str, Any]:
    library, folder = Path(sys.argv[1]), Path(sys.argv[2])
    files = {seed: str(write_lora(folder / f"lora-{seed}.gguf", seed)) for seed in (1, 2)}
    vector = str(write_control_vector(folder / "vector.gguf", 5))
    model = str(write_merged(folder / "model.gguf", {}, {}))
    found: dict[str, Any] = {"wrong": {}}
    for name, vectors in (("plain", {}), ("vector", {5: 1.5})):
        right = [alone(library, write_merged(folder / "merged.gguf", one, vectors)) for one in SETS]
        found[f"{name} different"] = [len({texts[prompt] for texts in right}) for prompt in PROMPTS]
        for mode, settings in MODES.items():
            given = tuple(Scaled(vector, scale) for scale in vectors.values())
            engine = Engine(library, model, control_vectors=given, lora=(Scaled(files[1], 0.0),), **settings)
            jobs = {
                engine.submit(asked(prompt, lora=tuple(Scaled(files[seed], scale) for seed, scale in one.items()))): (
                    number,
                    prompt,
                )
                for prompt in PROMPTS
                for number, one in enumerate(SETS)
            }
            engine.finish()
            assert all(isinstance(end, wire.Finished) for end in engine.ends.values()), engine.ends
            found["wrong"][f"{name} {mode}"] = [
                (number, prompt) for job, (number, prompt) in jobs.items() if engine.text(job) != right[number][prompt]
            ]
            engine.stop()
    return found


def alone(library: Path, model: Path) -> dict[str, str]:
    engine = Engine(library, str(model))
    jobs = {prompt: engine.submit(asked(prompt)) for prompt in PROMPTS}
    engine.finish()
    engine.stop()
    return {prompt: engine.text(job) for prompt, job in jobs.items()}


if __name__ == "__main__":
    print(json.dumps(main()))
