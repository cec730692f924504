"""Starts a child process of this program. Any thread; the standard library alone, and nothing of the runner."""

from __future__ import annotations

import os
import sys
from typing import Final

LIFELINE: Final = "hoshikage.runner.lifeline"
NO_ALARM: Final = 0


def command(module: str, *arguments: str) -> list[str]:
    """Makes the command line that runs `module.main(arguments)` in a fresh interpreter with this one's import path."""
    return [sys.executable, "-c", f"{tied()}; from {module} import main; sys.exit(main({list(arguments)!r}))"]


def tied(seconds: int = NO_ALARM) -> str:
    """Returns Python code that gives its interpreter this one's import path, ties it to the life of this process, and
    ends it after so many seconds.

    It comes before anything else is imported: on a busy machine that takes seconds, in which one whose parent is killed
    would go on alone. `python -m` would put the working directory, where anybody may have left a `numpy.py`, in front
    of the path, and `-I` would lose a package installed for one user; the parent's own path has neither fault.
    """
    path = [folder for folder in sys.path if folder]
    return f"import sys; sys.path[:] = {path!r}; from {LIFELINE} import tie; tie({os.getpid()}, {seconds})"
