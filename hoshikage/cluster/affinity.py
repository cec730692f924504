"""Remembers which server has the beginning of a conversation in its memory. Pure; one event loop.

A conversation is known by a chain of sums, one for each of its turns over all before it: the next turn of the same
conversation has the whole former chain as its beginning.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

Place = TypeVar("Place", bound=Hashable)
MAX_KEPT: Final = 65_536
MAX_TURNS: Final = 512
CHUNK: Final = 2_048
"""A prompt that is one text is summed in pieces of so many characters."""
TEXTS: Final = ("prompt", "input", "content")
"""These fields hold the whole of a request which has no turns."""
SHARED: Final = ("system", "instructions", "tools")
"""These fields stand before all turns."""


def model_of(body: Any) -> str:
    """Returns the name of the model that a request asks for; empty where it names none."""
    name = body.get("model") or body.get("name") if isinstance(body, dict) else None
    return name if isinstance(name, str) else ""


def chain(body: Any) -> tuple[str, ...]:
    """Returns the sums of a request's beginning, the shortest beginning first. Empty for what has none."""
    if not isinstance(body, dict):
        return ()
    digest = hashlib.sha256(model_of(body).encode())
    result = []
    for piece in list(_pieces(body))[:MAX_TURNS]:
        digest.update(piece)
        result.append(digest.hexdigest()[:32])
    return tuple(result)


def _pieces(body: Mapping[str, Any]) -> Iterator[bytes]:
    shared = {name: body[name] for name in SHARED if body.get(name)}
    turns = body.get("messages")
    if not isinstance(turns, list):
        turns = next((body[name] for name in TEXTS if body.get(name)), None)
    if isinstance(turns, str):
        turns = [turns[at : at + CHUNK] for at in range(0, len(turns), CHUNK)]
    if not isinstance(turns, list):
        return
    for number, turn in enumerate(turns):
        yield json.dumps([shared, turn] if number == 0 else turn, sort_keys=True).encode()


class KeptBeginnings(Generic[Place]):
    """KeptBeginnings remembers which place has a beginning; what was not used for the longest time is forgotten
    first."""

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._places: OrderedDict[str, Place] = OrderedDict()

    def find(self, keys: Sequence[str], there: Container[Place]) -> Place | None:
        """Returns the place with the longest beginning, among those that are there."""
        for key in reversed(keys):
            place = self._places.get(key)
            if place is not None and place in there:
                self._places.move_to_end(key)
                return place
        return None

    def note(self, keys: Sequence[str], place: Place) -> None:
        for key in keys:
            self._places[key] = place
            self._places.move_to_end(key)
        while len(self._places) > self._max_kept:
            self._places.popitem(last=False)
