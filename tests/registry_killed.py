"""Adds a model to a registry and dies at one step of that, as a kill would: FILE STEP. Exit status 9, or 0 at the end.

A step is what the interpreter tells its auditors: every open, rename, removal and change of mode.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import filelock  # noqa: F401  imported here, so that its own files are no steps

from hoshikage.registry import Registry

EVENTS = {"open", "os.rename", "os.remove", "os.chmod", "os.listdir", "os.scandir", "os.mkdir", "fcntl.flock"}

if __name__ == "__main__":
    registry, left = Registry(Path(sys.argv[1])), int(sys.argv[2])

    def die_at_the_step(event: str, _arguments: object) -> None:
        global left
        if event in EVENTS:
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(die_at_the_step)
    registry.add("new", Path("new.gguf"))
    os._exit(0)
