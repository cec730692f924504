"""This program examines a library by a layout table in which two fields have changed places; prints the refusal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hoshikage._ffi.layouts import CONTEXT_LAYOUTS
from hoshikage._ffi.library import load
from hoshikage.errors import LibraryUnavailable
from hoshikage.lab.handshake import LogTap, examine
from tests.ffi.test_recognition import swapped

if __name__ == "__main__":
    file, model, one, other = sys.argv[1:]
    log = LogTap(lambda _level, _line: None)
    table = tuple(swapped(layout, one, other) for layout in CONTEXT_LAYOUTS)
    try:
        examine(load(Path(file), log, context_layouts=table), log, model)
    except LibraryUnavailable as refusal:
        print(json.dumps({"key": refusal.key, "check": refusal.details.get("check")}))
        sys.exit(1)
