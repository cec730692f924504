"""Adds a model to a registry and dies at one step of that, as a kill would: FILE STEP. Exit status 9, or 0 at
the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hoshikage.registry import Registry
from tests.killed import die_at

if __name__ == "__main__":
    registry = Registry(Path(sys.argv[1]))
    die_at(int(sys.argv[2]))
    registry.add("new", Path("new.gguf"))
    os._exit(0)
