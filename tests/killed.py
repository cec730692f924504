"""Dies at one step of some work, as a kill would."""

from __future__ import annotations

import os
import sys
from typing import Final

import filelock  # noqa: F401  imported here, so that its own files are no steps

STEPS: Final = frozenset(
    ("open", "os.rename", "os.remove", "os.chmod", "os.listdir", "os.scandir", "os.mkdir", "os.rmdir", "fcntl.flock")
)
"""The interpreter tells its auditors these of what is done to files."""


def die_at(step: int) -> None:
    """Dies at a step from now on: so many steps are done, and the next one is not; the process ends with status 9."""
    left = step

    def die_at_the_step(event: str, _arguments: object) -> None:
        nonlocal left
        if event in STEPS:
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(die_at_the_step)
