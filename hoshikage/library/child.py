"""Runs the programs that examine what cannot be trusted: libraries, layouts, chat templates. Any thread; blocking.

Each runs in a throw-away process, which may crash or hang: that is an outcome, not an error.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hoshikage.library import pip_folders
from hoshikage.runner import launch

SPARE_S: Final = 5
"""The child's own alarm comes so many seconds after its parent would have ended it: it is for a parent that cannot."""
_ANSWER_BYTES: Final = 1 << 20
_LOG_BYTES: Final = 1 << 16


class ChildOutcome(NamedTuple):
    """This tells how a process ended, and what it printed until then.

    Scripts that fetch libraries import this module before anything is installed: it needs the standard library alone.
    """

    status: int | None
    """`status` is what `subprocess` has, negative for a signal; None for a process that was ended because its time was
    over."""
    output: str
    log: tuple[str, ...] = ()
    """`log` has the last lines of its stderr."""

    def answer(self) -> Any:
        """Returns the JSON value that it printed; None where it is no JSON."""
        try:
            return json.loads(self.output)
        except (ValueError, RecursionError):
            return None


def command(module: str, seconds: float) -> list[str]:
    """Makes the command line that runs `module.main()` with this process's import path.

    The child ends with this process, and by itself soon after `seconds`.
    """
    code = f"{launch.tied(math.ceil(seconds) + SPARE_S)}; from {module} import main; sys.exit(main())"
    return [sys.executable, "-c", code]


def tied(arguments: Sequence[str]) -> list[str]:
    """Returns the command line of somebody else's program, which ends with this process, too, where the system can see
    to it (Linux)."""
    if sys.platform != "linux":
        return [*arguments]
    return [sys.executable, "-c", f"{launch.tied()}; import os; os.execvp(sys.argv[1], sys.argv[1:])", *arguments]


def run(arguments: Sequence[str], timeout_s: float, stdin: bytes = b"") -> ChildOutcome:
    """Runs a command line, gives it `stdin`, and waits for its end. OSError where it cannot be started."""
    folders = pip_folders.searched(os.environ)
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as log:
        source.write(stdin)
        source.seek(0)
        try:
            status: int | None = subprocess.run(
                arguments,
                stdin=source,
                stdout=output,
                stderr=log,
                env={**os.environ, **({pip_folders.VARIABLE: folders} if folders else {})},
                timeout=timeout_s,
                check=False,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            ).returncode
        except subprocess.TimeoutExpired:
            status = None
        output.seek(0)
        printed = output.read(_ANSWER_BYTES).decode("utf-8", "replace")
        cut = log.seek(max(0, log.seek(0, 2) - _LOG_BYTES))
        lines = log.read(_LOG_BYTES).decode("utf-8", "replace").split("\n")[bool(cut) :]
    return ChildOutcome(status, printed, tuple(lines))
