"""Holds a call's arguments in protocols that have an object for them, also where they are none: cut off, or broken.
Pure."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

UNPARSED: Final = "__unparsedToolInput"
"""Holds the text of arguments that are no object, by the name that Claude Code has for it."""
RAW: Final = "raw"


def object_of(arguments: str) -> dict[str, Any]:
    """Returns the arguments as an object; text that is none stands in it as it is."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {UNPARSED: {RAW: arguments}}


def text_of(value: Any) -> str:
    """Returns the text that `object_of` was given."""
    kept = value.get(UNPARSED) if isinstance(value, dict) else None
    if isinstance(kept, dict) and isinstance(kept.get(RAW), str):
        return str(kept[RAW])
    return value if isinstance(value, str) else msgspec.json.encode({} if value is None else value).decode()
