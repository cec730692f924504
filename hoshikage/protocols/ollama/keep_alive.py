"""How long a model stays loaded after an answer, as Ollama's clients write it: `5m`, `300`, -1. Any thread; pure."""

from __future__ import annotations

import re
from typing import Final

from hoshikage.errors import InvalidRequest

UNITS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
DURATION: Final = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+|-?\d+(?:\.\d+)?")
PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|)")


def kept_s(value: str | float | None) -> float | None:
    """Returns the seconds for which a model shall stay loaded after its use: inf for good, None where nothing is said.

    Raises InvalidRequest.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        parts = DURATION.fullmatch(value.strip())
        if parts is None:
            raise InvalidRequest("http.invalid_value", param="keep_alive", place="keep_alive")
        result = PART.findall(value)
        seconds = sum(float(number) * UNITS[unit] for number, unit in result)
        value = -1.0 if value.strip().startswith("-") else seconds
    return float("inf") if value < 0 else float(value)
