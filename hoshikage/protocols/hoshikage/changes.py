"""Finds what of the registry is different since it was last looked at for a report. Event loop thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from hoshikage.registry import ModelSpec


class RegistryChanges:
    """This keeps the models as the last look found them."""

    def __init__(self) -> None:
        self._before: dict[str, ModelSpec] = {}

    def look(self, specs: Sequence[ModelSpec]) -> dict[str, list[str]]:
        """Returns the labels that were added, removed and changed since; the next look compares with now."""
        now = {spec.label: spec for spec in specs}
        before, self._before = self._before, now
        return {
            "added": [label for label in now if label not in before],
            "removed": [label for label in before if label not in now],
            "changed": [label for label in now if label in before and now[label] != before[label]],
        }


REGISTRY_CHANGES: Final = web.AppKey("seen", RegistryChanges)
