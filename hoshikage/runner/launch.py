"""How a child process of this program is started. Any thread; imports nothing of the runner."""

from __future__ import annotations

import os
import sys


def tied(module: str, seconds: int, *arguments: str) -> list[str]:
    """As `command`, of a process that ends with this one, and by itself after so many seconds."""
    code = f"from hoshikage.runner.lifeline import tie; tie({os.getpid()}, {seconds})"
    return command(module, *arguments, first=code)


def command(module: str, *arguments: str, first: str = "pass") -> list[str]:
    """Command line that runs `module.main(arguments)` in a fresh interpreter with this one's import path.

    `python -m` would put the working directory, where anybody may have left a `numpy.py`, in front of the path,
    and `-I` would lose a package installed for one user; the parent's own path has neither fault.
    """
    start = f"from {module} import main; sys.exit(main({list(arguments)!r}))"
    code = f"import sys; sys.path[:] = {sys.path!r}; {first}; {start}"
    return [sys.executable, "-c", code]
