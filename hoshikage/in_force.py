"""Shows the settings in force as rows: name, value as JSON has it, and where it came from. Any thread; pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hoshikage.options import OPTIONS
from hoshikage.settings import Settings

WORDS: Final[dict[str, dict[object, str]]] = {
    row.variable: {number: word for word, number in words.items()}
    for row in OPTIONS
    if row.variable and isinstance(words := getattr(row.parse, "words", None), Mapping)
}
"""Each setting whose values have words has the word of each number here."""


def in_force(settings: Settings, sources: Mapping[str, str]) -> list[dict[str, Any]]:
    """`sources` are those of `settings.LoadedSettings`; without them everything counts as a default."""
    return [
        {"name": name, "value": _shown(name, value), "source": sources.get(name, "default")}
        for name, value in settings.by_variable().items()
    ]


def _shown(name: str, value: object) -> object:
    if name in WORDS and value in WORDS[name]:
        return WORDS[name][value]
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
