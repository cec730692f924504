"""Chooses a library and dies at one step, as a kill would: LIB_DIR NAME STEP. Exit status 9, or 0 at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hoshikage.library import store
from tests.killed import die_at

if __name__ == "__main__":
    lib_dir, name = Path(sys.argv[1]), sys.argv[2]
    die_at(int(sys.argv[3]))
    store.use(lib_dir, name, "one")
    os._exit(0)
