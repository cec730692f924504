"""Learns whether the device shall choose tokens in Python's place, from one answer at a time. Engine thread; pure.

A device spares Python the choice and its own wait for it; a processor does, too, where the vocabulary is small. But
going over takes a moment, in which the library plans its computation anew, and how long a device takes to choose is
another thing with each release, vocabulary and set of samplers. So an answer that has gone on for a while tries it, and
what that saves a token decides for all later ones of its kind: they go over when they have lost as much as going over
costs, so that a short answer never pays for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from hoshikage.engine.running import Running
from hoshikage.llama.device_chain import GREEDY
from hoshikage.llama.sampler import Sampler

TRY_AFTER: Final = 32
"""Python chooses so many tokens of an answer before the device is tried."""
WARM_UP: Final = 4
"""This many tokens behind going over are counted as its cost: the library plans anew, and a card records its graph."""
SURE: Final = 12
"""The shortest of so many tokens is no accident."""
MIN_SHARE: Final = 0.01
"""Saving less than this share of a token is saving nothing."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Tells what choosing on the device brings and costs for one kind of chains, in seconds."""

    saved: float
    """`saved` is the time that each token takes less."""
    cost: float
    """`cost` is the time that going over takes."""


NOTHING: Final = Worth(0.0, math.inf)


class DeviceSampling:
    """Learns from how long each token took of an answer that runs alone."""

    def __init__(self) -> None:
        self.known: dict[str, Worth] = {}
        """Each kind of chains that was tried has its worth here."""
        self._sampler: Sampler | None = None
        """The last answer was drawn by this sampler."""
        self._count = 0
        """`_count` is how many tokens that answer has had since it began or went over."""
        self._shortest = math.inf
        self._spent = 0.0
        """`_spent` is the time, in seconds, of the first WARM_UP tokens behind going over."""
        self._by_python = math.inf
        """This is the shortest token before going over, in seconds; infinite where nothing is to be learned of it any
        more."""

    def took(self, alone: Running, seconds: float, *, overlaps: bool) -> None:
        """A token of this answer, the only one that runs, was computed and chosen in so long. `overlaps`: decodes go on
        behind their return; where they do not, the likeliest token is Python's, which has nothing to wait for."""
        sampler = alone.movable
        if sampler is None or sampler.device_kind is None or (sampler.device_kind == GREEDY and not overlaps):
            return
        if sampler is not self._sampler:
            self._by_python = math.inf
            self._begin(sampler)
        self._count += 1
        if sampler.is_over:
            if self._by_python < math.inf:
                self._judge(sampler, sampler.device_kind, seconds)
            return
        self._shortest = min(self._shortest, seconds)
        worth = self.known.get(sampler.device_kind)
        if self._count < TRY_AFTER if worth is None else worth.saved * self._count < worth.cost:
            return
        self._by_python = self._shortest
        self._begin(sampler)
        if not sampler.go_over(alone.sequence.number):
            self.known[sampler.device_kind] = NOTHING

    def _judge(self, sampler: Sampler, kind: str, seconds: float) -> None:
        if self._count <= WARM_UP:
            self._spent += seconds
            return
        self._shortest = min(self._shortest, seconds)
        if self._count < WARM_UP + SURE:
            return
        by_python, self._by_python = self._by_python, math.inf
        saved, cost = by_python - self._shortest, max(0.0, self._spent - WARM_UP * self._shortest)
        known = self.known.get(kind)
        if known is not None:  # the least counts, since other work of the machine only makes it more
            self.known[kind] = Worth(known.saved, min(known.cost, cost))
        elif saved < MIN_SHARE * by_python:
            self.known[kind] = NOTHING
            sampler.come_back()
        else:
            self.known[kind] = Worth(saved, cost)

    def _begin(self, sampler: Sampler) -> None:
        self._sampler, self._count, self._shortest, self._spent = sampler, 0, math.inf, 0.0
