"""This program asks for several answers at once over a library whose decodes are done later (late.c). LIBRARY MODEL on
the command line; prints JSON: what was learned of its decodes, and in which groups the last ones were."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage._ffi.library import load
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.worker import _Loaded
from hoshikage.llama.loading import open_model
from hoshikage.params import GenerationRequest, LoadParams, SamplingParams, TokenPrompt

TEXTS, TOKENS, LAST = 4, 60, 60


def main() -> dict[str, Any]:
    library = load(Path(sys.argv[1]), lambda _level, _line: None)
    params = LoadParams(sys.argv[2], n_ctx=1024, n_batch=64, n_parallel=TEXTS, n_threads=1, n_gpu_layers=0)
    model, context = open_model(library, params, lambda _progress: True)
    texts: dict[int, str] = {}

    def emit(event: wire.Event) -> None:
        if isinstance(event, wire.Token):
            texts[event.job] = texts.get(event.job, "") + event.text

    cancels = Cancels()
    loaded = _Loaded(model, context, wire.Load(params), cancels, emit)
    sampling = SamplingParams(temperature=0, ignore_eos=True)
    for job in range(1, TEXTS + 1):
        cancels.opened(job)
        prompt = TokenPrompt(tuple(range(40 * job, 40 * job + 8)))
        loaded.scheduler.submit(wire.Generate(job, GenerationRequest(prompt, sampling, max_tokens=TOKENS)))
    widths: list[int] = []
    while loaded.scheduler.busy:
        loaded.scheduler.step()
        widths.append(context.batch.n_tokens)
    cost = loaded._cost
    found = {
        "one_ms": cost.seconds_of_one * 1e3,
        "of": {size: cost.of(size) for size in (2, 4)},
        "group": Counter(widths[-LAST:]).most_common(1)[0][0],
        "texts": texts,
    }
    loaded.close()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
