"""Chooses a slot and dies at one step of that, as a kill would: LIB_DIR NAME STEP. Exit status 9, or 0 at the end.

A step is what the interpreter tells its auditors: every open, rename, removal and change of mode.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import filelock  # noqa: F401  imported here, so that its own files are no steps

from hoshikage.library import store

EVENTS = {"open", "os.rename", "os.remove", "os.chmod", "os.listdir", "os.scandir", "os.mkdir", "fcntl.flock"}

if __name__ == "__main__":
    lib_dir, name, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

    def die_at_the_step(event: str, _arguments: object) -> None:
        global left
        if event in EVENTS:
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(die_at_the_step)
    store.use(lib_dir, name, "one")
    os._exit(0)
