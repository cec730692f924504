"""This program loads a library, says so, waits for a line, and generates: FILE MODEL."""

from __future__ import annotations

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
    print("loaded", flush=True)
    sys.stdin.readline()
    print(generated(model, context, SamplingParams(temperature=0), 8), flush=True)
    context.close()
    model.close()
    library.close()
