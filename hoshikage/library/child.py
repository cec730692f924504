"""How the programs that examine a library are started. Any thread."""

from __future__ import annotations

import math
import os
import sys
from typing import Final

SPARE_S: Final = 5
"""Beyond the time after which the parent ends the child: the child's own alarm is for a parent that cannot."""
LIFELINE: Final = "hoshikage.runner.lifeline"


def program(module: str, seconds: float) -> tuple[str, ...]:
    """The interpreter's arguments that run `module.main()` with this process's import path.

    The child ends with this process, and by itself soon after `seconds`.
    `python -m` would put the working directory, where anybody may have left a `json.py`, in front of that path.
    """
    path = [folder for folder in sys.path if folder]
    tied = f"from {LIFELINE} import tie; tie({os.getpid()}, {math.ceil(seconds) + SPARE_S})"
    return "-c", f"import sys; sys.path[:] = {path!r}; {tied}; from {module} import main; sys.exit(main())"
