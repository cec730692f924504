"""This program runs one model beyond its training, scaled by the settings and by its own file. LIBRARY FOLDER on the
command line; prints JSON: each way's answers and the length of its context."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hoshikage.params import GenerationRequest, SamplingParams, TokenPrompt
from tests.engine.modes_done import Engine
from tests.tiny_decoders import write_decoder

PROMPT = tuple(260 + 7 * place % 90 for place in range(60))
TRAINED = 4096
FILES: dict[str, dict[str, str | int | float]] = {
    "plain": {},
    "linear": {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.0},
    "yarn": {
        "llama.rope.scaling.type": "yarn",
        "llama.rope.scaling.factor": 2.0,
        "llama.rope.scaling.original_context_length": TRAINED,
    },
}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("plain", {}),
    "own linear": ("linear", {}),
    "own yarn": ("yarn", {}),
    "linear": ("plain", {"rope_scaling": "linear", "rope_scale": 2.0}),
    "yarn": ("plain", {"rope_scaling": "yarn", "rope_scale": 2.0}),
    "none": ("plain", {"rope_scaling": "none", "rope_scale": 1.5}),
}


def main() -> dict[str, Any]:
    library, folder = Path(sys.argv[1]), Path(sys.argv[2])
    files = {name: str(write_decoder(folder / f"{name}.gguf", extra=extra)) for name, extra in FILES.items()}
    found: dict[str, Any] = {}
    for way, (name, settings) in WAYS.items():
        engine = Engine(library, files[name], n_ctx=3 * TRAINED, **settings)
        job = engine.submit(GenerationRequest(TokenPrompt(PROMPT), SamplingParams(temperature=0), max_tokens=12))
        engine.finish()
        found[way] = {"text": engine.text(job), "n_ctx": engine.model.n_ctx, "warnings": engine.model.warnings}
        engine.stop()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
