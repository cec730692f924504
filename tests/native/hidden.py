"""A program: calibrates a library by tables without their newest layouts; prints as hoshikage.runner.calibrate."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage._ffi.library import Library
from hoshikage._ffi.opening import Files
from hoshikage.llama.calibration import calibrate
from hoshikage.llama.handshake import LogTap
from hoshikage.llama.placement import Uncalibrated
from hoshikage.runner.calibrate import FileJournal

if __name__ == "__main__":
    file, model, journal, hidden = sys.argv[1:]
    report = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    log = LogTap(lambda _level, line: print(line, file=sys.stderr))
    library = Library(Files(Path(file)), log)
    library.start()
    try:
        found = calibrate(
            library,
            log,
            model,
            FileJournal(Path(journal)),
            model_layouts=MODEL_LAYOUTS[: -int(hidden)],
            context_layouts=CONTEXT_LAYOUTS[: -int(hidden)],
        )
        answer = {"ok": True, "reason": "", **asdict(found)}
    except Uncalibrated as refusal:
        answer = {"ok": False, "reason": str(refusal), "model": None, "context": None}
    with report:
        print(json.dumps(answer), file=report)
