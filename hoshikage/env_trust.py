"""Decides what a `.env` in the working folder may set: nothing that reaches outside of it. Any thread; blocking; no
state.

The working folder may be anybody's: a cloned project, an unpacked archive. Its `.env` tunes how the server runs; it
names no code to load, no address, no file or folder elsewhere, and loosens no access.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from hoshikage.frozen import Frozen

Here = Literal["never", "inside", "any"]
"""These say whether such a file may set a setting: never, only to a relative path that stays in its folder, to
anything."""
REFUSALS: Final[Mapping[Here, str]] = {"never": "settings.env_untrusted", "inside": "settings.env_outside"}


class Sifted(Frozen, frozen=True):
    """A Sifted divides the settings of a `.env` file into what it may set and what it may not."""

    values: dict[str, str | None]
    """`values` is what is taken of the file."""
    refused: dict[str, str]
    """`refused` maps the names that are not taken to the key of the text that says why."""


def sift(values: Mapping[str, str | None], rules: Mapping[str, Here], folder: Path) -> Sifted:
    """Divides what the `.env` of `folder` says. Names that have no rule are not settings, and are let be."""
    taken: dict[str, str | None] = {}
    refused: dict[str, str] = {}
    for name, value in values.items():
        rule = rules.get(name, "any")
        if rule == "any" or (rule == "inside" and _is_inside(value or "", folder)):
            taken[name] = value
        else:
            refused[name] = REFUSALS[rule]
    return Sifted(taken, refused)


def _is_inside(value: str, folder: Path) -> bool:
    """Whether a path leads into the folder, through whatever links there are; an empty one leads nowhere."""
    if not value.strip():
        return True
    path = Path(value)
    if path.anchor or value.lstrip().startswith("~"):
        return False
    try:
        place = (folder / path).resolve()
        looped = any(one.is_symlink() for one in (place, *place.parents))  # Python 3.13 and later raise nothing there
        return place.is_relative_to(folder.resolve()) and not looped
    except (OSError, RuntimeError, ValueError):  # a loop of links, a zero byte
        return False
