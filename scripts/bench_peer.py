"""Runs llama-server in a process of its own, out of the package xllamacpp. Main thread; run by bench.py with another
Python.

MODEL PORT SLOTS N_CTX on the command line; it says `ready` and serves until its standard input ends.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def main(model: str, port: int, slots: int, n_ctx: int) -> None:
    xllamacpp: Any = import_module("xllamacpp")  # only in the environment that it was installed into
    params: Any = xllamacpp.CommonParams()
    params.model.path = model
    params.port, params.n_parallel, params.n_ctx = port, slots, n_ctx
    server = xllamacpp.Server(params)
    print("ready", flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
