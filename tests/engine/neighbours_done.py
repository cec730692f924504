"""This program finds out what somebody answers while another leaves, at each moment of its way. LIBRARY MODEL on the
command line; prints JSON: mode -> [the answer beside one that stays, the answers beside one that leaves at decode 1, 2,
...]."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage._ffi.library import Library, load
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.worker import _Loaded
from hoshikage.llama.loading import open_model
from hoshikage.params import GenerationRequest, LoadParams, SamplingParams, TokenPrompt

LEAVER, NEIGHBOUR = 1, 2
TEXTS = {LEAVER: [40 + i % 50 for i in range(30)], NEIGHBOUR: [60 + (i * 7) % 100 for i in range(120)]}
MOST = {LEAVER: 100, NEIGHBOUR: 16}
MOMENTS = 5
"""So many decodes of the neighbour's are tried for the other to leave in; with small batches its prompt alone takes
two."""
MODES: dict[str, dict[str, Any]] = {
    "whole prompts": {"n_batch": 512},
    "parts of prompts": {"n_batch": 64},
    "kept": {"n_batch": 64, "kv_reuse": "prefix"},
    "looked up": {"n_batch": 64, "speculation": "lookup"},
}


def answered(library: Library, model: str, mode: dict[str, Any], leaves_at: int) -> str:
    """Returns the neighbour's text; its prompt comes when the leaver's answer flows. 0: nobody leaves."""
    params = LoadParams(model, n_ctx=1024, n_parallel=4, n_threads=1, n_gpu_layers=0, **mode)
    loaded_model, context = open_model(library, params, lambda _progress: True)
    texts = {LEAVER: "", NEIGHBOUR: ""}
    ends: dict[int, wire.Event] = {}

    def emit(event: wire.Event) -> None:
        if isinstance(event, wire.Token):
            texts[event.job] += event.text
        elif isinstance(event, (wire.Finished, wire.Failed)) and event.job is not None:
            ends[event.job] = event

    cancels = Cancels()
    loaded = _Loaded(loaded_model, context, wire.Load(params), cancels, emit)
    scheduler, decode, done = loaded.scheduler, context.decode, [-1]

    def decode_and_leave() -> bool:
        decoded = decode()
        done[0] += done[0] >= 0
        if done[0] == leaves_at:
            cancels.cancel(LEAVER)  # while this batch is computed
        return decoded

    context.decode = decode_and_leave  # type: ignore[method-assign]
    for job in (LEAVER, NEIGHBOUR):
        cancels.opened(job)
        prompt = TokenPrompt(tuple(TEXTS[job]))
        sampling = SamplingParams(temperature=0)
        scheduler.submit(wire.Generate(job, GenerationRequest(prompt, sampling, max_tokens=MOST[job])))
        for _ in range(4 * (job == LEAVER)):
            scheduler.step()
    done[0] = 0
    while NEIGHBOUR not in ends:
        scheduler.step()
    assert isinstance(ends[NEIGHBOUR], wire.Finished), ends
    loaded.close()
    return texts[NEIGHBOUR]


def main() -> dict[str, list[str]]:
    library, model = load(Path(sys.argv[1]), lambda _level, _line: None), sys.argv[2]
    return {
        name: [answered(library, model, mode, moment) for moment in range(MOMENTS + 1)] for name, mode in MODES.items()
    }


if __name__ == "__main__":
    print(json.dumps(main()))
