"""Measures whether decodes go on after they have returned, so that Python may work meanwhile, once a load. Engine
thread; pure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

SURE: Final = 6
"""This many decodes are measured; the shortest times count, since other work of the machine only makes them longer."""
WORTH_S: Final = 30e-6
"""A decode that goes on for less is none that anybody can work beside: the processor computes it before it returns."""
SOON_S: Final = 3e-3
"""Text waits until the next decode has returned. So long nobody notices; what takes longer must at least be the smaller
part of the decode."""


class Overlap:
    """Learns from the first decodes of answers that flow."""

    def __init__(self) -> None:
        self.pays = False
        """Whether the next decode shall begin before the tokens of the last one are told."""
        self.is_known = False
        self._count = 0
        self._returned = self._left = math.inf

    def measure(self, begun: float, synchronize: Callable[[], None]) -> None:
        """A decode that began at `begun` has just returned; `synchronize` waits until it is done."""
        returned = time.perf_counter()
        synchronize()
        self.took(returned - begun, time.perf_counter() - returned)

    def took(self, returned_s: float, left_s: float) -> None:
        """Learns that a decode returned after so many seconds, and was done so much later."""
        self._count += 1
        self._returned = min(self._returned, returned_s)
        self._left = min(self._left, left_s)
        if self._count >= SURE:
            self.is_known = True
            self.pays = self._left >= WORTH_S and (self._returned <= SOON_S or self._returned <= self._left)
