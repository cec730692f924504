"""Examines one library in this process, which may die of it: `python -m hoshikage.runner.check FILE`. Main thread.

Prints one line of JSON to its stdout and exits 0 where the library is good, 1 where it is refused. libllama and its
backends print to file descriptor 1 as they like, so that descriptor is pointed at stderr before anything is loaded.
A crash is seen by the parent as the end by a signal, or as an end without the line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hoshikage._ffi.library import load
from hoshikage.errors import HoshikageError
from hoshikage.lab import handshake
from hoshikage.runner import native
from hoshikage.runner.calibrated import read


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hoshikage.runner.check")
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", type=Path, help="a tiny GGUF for the handshake")
    parser.add_argument("--golden", type=Path, help="its known greedy ids")
    parser.add_argument("--calibrated", type=Path, help="layouts that hoshikage.runner.calibrate has found")
    arguments = parser.parse_args(argv)
    native.prepare()
    report = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    result = examine(arguments.file, arguments.model, arguments.golden, arguments.calibrated)
    with report:
        print(json.dumps(result), file=report)
    return 0 if result["ok"] else 1


def examine(file: Path, model: Path | None, golden: Path | None, calibrated: Path | None = None) -> dict[str, Any]:
    """Returns the verdict. Every refusal is in it; only a crash gets past."""
    layouts = read(calibrated)
    result: dict[str, Any] = {
        "ok": False,
        "error": None,
        "key": None,
        "details": {},
        "file": str(file),
        "version": None,
        "model_layout": None,
        "context_layout": None,
        "devices": [],
        "system_info": "",
        "golden": "not_run",
        "handshake": {},
        "lacks": [],
        "kv_api": "",
        "calibrated": False,
    }
    log = handshake.LogTap(lambda _level, line: print(line, file=sys.stderr))
    try:
        library = load(file, log, calibrated=lambda: layouts)
        info = library.info(memory=True)
        result |= {
            "version": info.version,
            "model_layout": info.model_layout,
            "context_layout": info.context_layout,
            "devices": [asdict(device) for device in info.devices],
            "system_info": info.system_info,
            "lacks": list(info.lacks),
            "kv_api": library.kv_api,
            "calibrated": library.is_calibrated,
        }
        if model is not None:
            result["handshake"] = handshake.examine(library, log, str(model))
        if model is not None and golden is not None:
            result["golden"] = "failed"
            handshake.golden_run(library, str(model), handshake.golden_cases(golden))
            result["golden"] = "passed"
        library.close()
        result["ok"] = True
    except HoshikageError as refusal:
        result |= {"error": type(refusal).__name__, "key": refusal.key, "details": refusal.details}
    return result


if __name__ == "__main__":
    sys.exit(main())
