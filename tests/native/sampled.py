"""This program prints what a library generates under each sampler, or the name of the sampler that it lacks."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoshikage._ffi.library import load
from hoshikage.errors import NotSupported
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler
from hoshikage.params import LoadParams, SamplingParams
from tests.llama.test_sampling import generated

WARM = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, seed=3)
GREEDY = SamplingParams(temperature=0)
NARROW: dict[str, dict[str, Any]] = {
    "top_k": {"top_k": 1},
    "top_p": {"top_p": 0.0},
    "min_p": {"min_p": 1.0},
    "typical": {"typical_p": 0.05, "top_k": 1},
    "top_n_sigma": {"top_n_sigma": 1e-3},
    "xtc": {"xtc_probability": 1.0, "xtc_threshold": 0.5, "top_k": 1},
    "temp_ext": {"dynatemp_range": 0.5, "top_k": 1},
    "mirostat": {"mirostat": 1, "mirostat_tau": 0.0},
    "mirostat_v2": {"mirostat": 2, "mirostat_tau": 0.0},
    "adaptive_p": {"adaptive_target": 0.5, "top_k": 1},
}
"""Maps a sampler to what makes it, or the chain that it is in, take the likeliest token."""

COUNT = 14
"""There are few enough that the releases, which round differently, agree on the likeliest tokens."""

DRY = replace(GREEDY, dry_multiplier=50.0, dry_base=2.0, dry_allowed_length=1, dry_sequence_breakers=("*",))


def outcome(model: Model, context: Context, params: SamplingParams) -> Any:
    try:
        return generated(model, context, params, COUNT)
    except NotSupported as lacking:
        return lacking.details["name"]


if __name__ == "__main__":
    library = load(Path(sys.argv[1]), lambda _level, _line: None)
    params = LoadParams(sys.argv[2], n_ctx=512, n_batch=64, n_threads=1)
    model = Model.load(library, params, lambda _progress: True)
    context = Context.open(model, params)
    found = {name: outcome(model, context, replace(WARM, **narrow)) for name, narrow in NARROW.items()}
    found["greedy"] = outcome(model, context, GREEDY)
    found["dry"] = outcome(model, context, DRY)
    found["dry, not ascii"] = outcome(model, context, replace(DRY, dry_sequence_breakers=("。", "🌟")))
    found["infill"] = outcome(model, context, replace(GREEDY, samplers=("infill",)))
    found["infill, narrow"] = outcome(model, context, replace(WARM, top_k=1, samplers=("top_k", "infill")))
    found["min_keep"] = outcome(model, context, replace(WARM, top_p=0.0, min_keep=2))
    with closing(Sampler.open(model, context, GREEDY)) as sampler:
        found["device"] = sampler.device_kind
    if found["device"]:
        found["greedy by device"] = generated(model, context, GREEDY, COUNT, by_device=True)
    found["warm"] = outcome(model, context, WARM)
    found["warm again"] = outcome(model, context, WARM)
    print(json.dumps(found))
    context.close()
    model.close()
    library.close()
