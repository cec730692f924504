"""How the programs that examine a library are started. Any thread."""

from __future__ import annotations

import sys


def program(module: str) -> tuple[str, ...]:
    """The interpreter's arguments that run `module.main()` with this process's import path.

    `python -m` would put the working directory, where anybody may have left a `json.py`, in front of that path.
    """
    path = [folder for folder in sys.path if folder]
    return "-c", f"import sys; sys.path[:] = {path!r}; from {module} import main; sys.exit(main())"
