"""Stands for `hoshikage.runner.check`: answers, refuses, crashes or hangs as its first argument says.

`python stand_in.py MODE FILE [--model GGUF --golden JSON]`. Each run is noted as a line of the file that
STAND_IN_LOG names. The mode `gpu_by_content` sees a GPU where libggml-cuda ends in "works".
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from threading import Event

CPU = {"name": "CPU", "description": "a processor", "kind": "cpu", "memory_free": 1, "memory_total": 2}
GPU = {"name": "CUDA0", "description": "a card", "kind": "gpu", "memory_free": 3, "memory_total": 4 << 30}


def answer(file: Path, **changes: object) -> str:
    value = {
        "ok": True,
        "key": "",
        "details": {},
        "file": str(file),
        "version": "b1234",
        "model_layout": "mdl-X",
        "context_layout": "ctx-Y",
        "devices": [CPU],
        "system_info": "X = 1",
        "golden": "passed",
        "handshake": {"n_ctx": "ok"},
    }
    return json.dumps({**value, **changes})


def main() -> int:
    mode, file = sys.argv[1], Path(sys.argv[2])
    if log := os.environ.get("STAND_IN_LOG"):
        with Path(log).open("a", encoding="utf-8") as stream:
            stream.write(" ".join(sys.argv[1:]) + "\n")
    if mode == "accept":
        print(answer(file))
    elif mode == "refuse":
        print(answer(file, ok=False, key="library.hung", details={"path": str(file), "seconds": 7}))
        return 1
    elif mode == "crash":
        print("a line", "the last words", sep="\n", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "abort":
        print(
            "ggml.c:5: GGML_ASSERT(n > 0) failed", "#0 0x1 in f ()", "[detached]", sep="\n", file=sys.stderr, flush=True
        )
        os.kill(os.getpid(), signal.SIGABRT)
    elif mode == "hang":
        Event().wait()
    elif mode == "babble":
        print("Segmentation fault (core dumped)")
    elif mode == "unknown_key":
        print(answer(file, ok=False, key="library.no_such_text"))
        return 1
    elif mode == "wrong_shape":
        print(answer(file, devices=[{"name": 1}]))
    elif mode == "exit_status":
        print(answer(file))
        return 3
    elif mode == "gpu_by_content":
        works = (file.parent / "libggml-cuda.so").read_bytes().endswith(b"works")
        print(answer(file, devices=[CPU, GPU] if works else [CPU]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
