"""Starts a child process of this program. Any thread; imports nothing of the runner."""

from __future__ import annotations

import os
import sys
from typing import Final

LIFELINE: Final = "hoshikage.runner.lifeline"


def command(module: str, *arguments: str) -> list[str]:
    """Makes the command line that runs `module.main(arguments)` in a fresh interpreter with this one's import path.

    The child is tied to this process before it imports anything else: on a busy machine that takes seconds, in which
    one whose parent is killed would go on alone.
    `python -m` would put the working directory, where anybody may have left a `numpy.py`, in front of the path,
    and `-I` would lose a package installed for one user; the parent's own path has neither fault.
    """
    tied = f"from {LIFELINE} import tie; tie({os.getpid()}, 0)"
    start = f"from {module} import main; sys.exit(main({list(arguments)!r}))"
    code = f"import sys; sys.path[:] = {sys.path!r}; {tied}; {start}"
    return [sys.executable, "-c", code]
