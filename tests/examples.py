"""Decides how many examples Hypothesis tries: a quarter of them in the unit lane, all in the others. Any thread."""

from __future__ import annotations

import os
from typing import Final

FEW: Final = "FEW_EXAMPLES"
"""The unit lane sets it (scripts/lanes.py)."""


def examples(number: int) -> int:
    return number // 4 if os.environ.get(FEW) else number
