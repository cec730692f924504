"""Measures one model with several settings in this process, which may die of any of them. Main thread.

The plan comes as JSON on stdin: {library, layouts, plan}. After each round of each setting it prints one line of JSON
with the figures so far, so that what was measured is not lost; {"error", "details"} where nothing can be.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from hoshikage._ffi.library import load
from hoshikage.errors import HoshikageError
from hoshikage.lab.handshake import LogTap
from hoshikage.lab.measuring import TunePlan, measure
from hoshikage.runner import native
from hoshikage.runner.calibrated import read


def main() -> int:
    native.prepare()
    wanted: dict[str, Any] = json.load(sys.stdin)
    report = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # the library prints as it likes
    layouts = Path(wanted["layouts"]) if wanted["layouts"] else None
    log = LogTap(lambda _level, line: print(line, file=sys.stderr))
    status = 0
    try:
        plan = msgspec.convert(wanted["plan"], TunePlan)
        library = load(Path(wanted["library"]), log, calibrated=lambda: read(layouts))
        for figures in measure(library, plan):
            print(json.dumps(asdict(figures)), file=report, flush=True)
    except HoshikageError as error:
        print(json.dumps({"error": error.key, "details": error.details}), file=report, flush=True)
        status = 1
    # The library's own threads and destructors have no say in how long leaving takes.
    os._exit(status)
