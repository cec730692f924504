"""The server tells where files lie to those who administer it alone; others are told names. Any thread; pure."""

from __future__ import annotations

import ntpath
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from hoshikage.errors import Detail
from hoshikage.http.authenticator import CALLER

PLACES: Final = frozenset({"file", "path", "folder", "subject", "model_path"})
"""These details of errors are whole paths."""
QUOTES: Final = frozenset({"reason"})
"""These details quote a library or the system, which write paths into their words."""
ABSOLUTE: Final = re.compile(r"(?<![\w:/.~])(?:~|[A-Za-z]:)?[/\\](?:[^/\\\s'\"`:]+[/\\])+")
"""This finds the folders in front of a file's name, within words."""


def told(details: Mapping[str, Detail]) -> dict[str, Detail]:
    """An error's details as the current caller may know them."""
    if CALLER.get().is_admin:
        return dict(details)
    places = {str(value) for name, value in details.items() if name in PLACES and is_whole(value)}
    return {name: _without(name, value, places) for name, value in details.items()}


def is_whole(value: object) -> bool:
    """Returns whether a value is a path from the root of a file system on, and nothing else."""
    return isinstance(value, str) and (os.path.isabs(value) or ntpath.isabs(value))  # noqa: PTH117  no object needed


def nameless(value: Any) -> Any:
    """Returns the same without strings that are whole paths, and with names alone within others."""
    if isinstance(value, dict):
        return {name: nameless(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [nameless(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return None if is_whole(value) else ABSOLUTE.sub("", value)


def _without(name: str, value: Detail, places: set[str]) -> Detail:
    if not isinstance(value, str):
        return value
    if name in PLACES:
        return _name(value) if is_whole(value) else value
    for place in sorted(places, key=len, reverse=True):
        value = value.replace(place, _name(place))
    return ABSOLUTE.sub("", value) if name in QUOTES else value


def _name(place: str) -> str:
    return ntpath.basename(place.rstrip("/\\")) or place
