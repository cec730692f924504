"""Holds the vectors of one collection in memory, and finds those that are nearest to one: exactly, whatever is left
out. One thread at a time; numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
MIN_ROOM: Final = 256


class VectorIndex:
    """Its rows have length 1, each with its record's id, conversation and time. A row of an id that is known replaces
    it."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._conversations: dict[str, int] = {}
        self._of: NDArray[np.int32] = np.zeros(MIN_ROOM, np.int32)
        self._times: NDArray[np.float64] = np.zeros(MIN_ROOM)
        self._rows: NDArray[np.float32] = np.zeros((MIN_ROOM, 0), np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def add(
        self, ids: Sequence[str], vectors: Sequence[Vector], conversations: Sequence[str], times: Sequence[float]
    ) -> None:
        """Adds one of each for every record."""
        for name, vector, conversation, time in zip(ids, vectors, conversations, times, strict=True):
            place = self._places.setdefault(name, len(self._ids))
            if place == len(self._ids):
                self._ids.append(name)
                self._room(place + 1, len(vector))
            self._rows[place] = vector / max(float(np.linalg.norm(vector)), float(np.finfo(np.float32).tiny))
            self._of[place] = self._conversations.setdefault(conversation, len(self._conversations))
            self._times[place] = time

    def nearest(
        self, vector: Vector, *, but: str, within: float, since: float, maximum: int
    ) -> list[tuple[str, float]]:
        """Returns ids with their cosine distances, the nearest first."""
        count = len(self._ids)
        if count == 0:
            return []
        length = max(float(np.linalg.norm(vector)), float(np.finfo(np.float32).tiny))
        distances = 1.0 - self._rows[:count] @ vector / length
        allowed = (distances <= within) & (self._times[:count] >= since)
        allowed &= self._of[:count] != self._conversations.get(but, -1)
        places = np.flatnonzero(allowed)
        if len(places) > maximum:
            places = places[np.argpartition(distances[places], maximum)[:maximum]]
        places = places[np.argsort(distances[places], kind="stable")]
        return [(self._ids[place], float(distances[place])) for place in places]

    def _room(self, count: int, width: int) -> None:
        """Doubles the room that there is, so that each row is copied a few times at most."""
        if self._rows.shape[1] != width:
            self._rows = np.zeros((len(self._rows), width), np.float32)
        if count > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._of = np.concatenate([self._of, np.zeros_like(self._of)])
            self._times = np.concatenate([self._times, np.zeros_like(self._times)])
