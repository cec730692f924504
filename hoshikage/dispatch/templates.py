"""Has a chat template compiled in a child process, before any model is loaded. Any thread; blocking."""

from __future__ import annotations

import json
import subprocess
from typing import Final

from hoshikage.runner import launch

TIMEOUT_S: Final = 20


def fault(source: str) -> str | None:
    """Why no chat could use the template, in Jinja's words; None where it compiles or cannot be tried."""
    try:
        done = subprocess.run(
            launch.tied("hoshikage.runner.template_check", TIMEOUT_S + 5),
            input=source.encode("utf-8", "replace"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        found = json.loads(done.stdout)["fault"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
