"""The settings in force as rows: name, value as JSON has it, and where it came from. Any thread; pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hoshikage.settings import Settings


def in_force(settings: Settings, sources: Mapping[str, str]) -> list[dict[str, Any]]:
    """`sources` are those of `settings.LoadedSettings`; without them everything counts as a default."""
    return [
        {"name": name, "value": _plain(value), "source": sources.get(name, "default")}
        for name, value in settings.by_variable().items()
    ]


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
