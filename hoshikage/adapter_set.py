"""Holds which adapters a text is computed with, as values. Any thread."""

from __future__ import annotations

from typing import NamedTuple

from hoshikage.frozen import Frozen


class Scaled(NamedTuple):
    """This file changes what a model computes; `scale` says how much of it is added."""

    path: str
    scale: float = 1.0


class AdapterSet(Frozen, frozen=True):
    """These are added to a model's weights and to what its layers make."""

    lora: tuple[Scaled, ...] = ()
    control_vectors: tuple[Scaled, ...] = ()


NO_ADAPTERS = AdapterSet()
