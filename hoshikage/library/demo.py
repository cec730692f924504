"""Finds the built-in model of the hoshikage-demo distribution, if it is installed. Any thread; imports none of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hoshikage.frozen import Frozen

LABEL: Final = "hoshikage-tiny"
_PACKAGE: Final = "hoshikage_demo"


class DemoModel(Frozen, frozen=True):
    """A DemoModel is the built-in model, with what is known of its answers."""

    label: str
    model: Path
    golden: Path
    """`golden` has prompts and the greedy token ids that any sound library gives for them."""


def find() -> DemoModel | None:
    """Returns the built-in model, or None where the distribution or one of its two files is missing."""
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        result = in_folder(Path(folder))
        if result is not None:
            return result
    return None


def in_folder(folder: Path) -> DemoModel | None:
    model, golden = folder / f"{LABEL}.gguf", folder / "golden.json"
    return DemoModel(LABEL, model, golden) if model.is_file() and golden.is_file() else None
