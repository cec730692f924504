"""This program prints the ids that a library generates greedily under penalties."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hoshikage._ffi.library import load
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.params import LoadParams, SamplingParams
from tests.llama.test_sampling import generated

if __name__ == "__main__":
    library = load(Path(sys.argv[1]), lambda _level, _line: None)
    params = LoadParams(sys.argv[2], n_ctx=512, n_batch=64, n_threads=1)
    model = Model.load(library, params, lambda _progress: True)
    context = Context.open(model, params)
    penalties = SamplingParams(
        temperature=0, repeat_penalty=1.5, frequency_penalty=0.5, presence_penalty=0.5, repeat_last_n=16
    )
    print(json.dumps({"penalised": generated(model, context, penalties, 24)}))
    context.close()
    model.close()
    library.close()
