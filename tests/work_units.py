"""Which tests one worker of pytest-xdist runs in a row: those of a file, and all that read the sources. Main thread."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from xdist.scheduler.loadfile import LoadFileScheduling

from tests.trees import text_of

ROOT: Final = Path(__file__).resolve().parent.parent
READS_SOURCES: Final = "from tests.trees import "
TOGETHER: Final = "sources"


@cache
def unit_of(file: str) -> str:
    """Names the unit of a file's tests. Files that read the sources have one together: one worker alone parses them."""
    return TOGETHER if READS_SOURCES in text_of(ROOT / file) else file


class WorkUnits(LoadFileScheduling):
    """Hands a worker the tests of a file, or of all files that read the sources."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(super()._split_scope(nodeid))
