"""Guesses by looking up: where the end of a text stood before, what came next may come again. Engine thread; pure.

Editing, extraction and code repeat much of their prompt. A text that does not must lose next to nothing: a guess that
fails has cost a larger decode, so failures make guesses rare, and only longer agreement makes one then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SHORTEST: Final = 3
"""Tokens at the text's end that must have stood together before."""
LONGEST: Final = 24
"""As much agreement is looked at."""
FIRST_PAUSE: Final = 16
LONGEST_PAUSE: Final = 256


class Lookup:
    """A Guesser. It keeps one place for each SHORTEST tokens that stand together, the latest."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, ...], int] = {}
        """Tokens -> the position behind them, where another one stands."""
        self._known = SHORTEST
        """Positions before this one are in it."""
        self._needed = SHORTEST
        self._pause = FIRST_PAUSE
        self._silent_until = 0

    def guess(self, tokens: Sequence[int], most: int) -> Sequence[int]:
        end = len(tokens)
        places = self._places
        for position in range(self._known, end):
            places[tuple(tokens[position - SHORTEST : position])] = position
        self._known = max(self._known, end)
        if end < self._silent_until:
            return ()
        place = places.get(tuple(tokens[end - SHORTEST :]))
        if place is None or (self._needed > SHORTEST and agreement(tokens, place) < self._needed):
            return ()
        found = list(tokens[place : place + most])
        period = end - place
        while len(found) < most:  # a text that goes round in a circle is taken to go on so
            found.append(found[-period])
        self._asked_at = end
        return found

    def judged(self, guessed: int, accepted: int) -> None:
        if not guessed:
            return
        if accepted * 2 >= guessed:
            self._needed, self._pause = SHORTEST, FIRST_PAUSE
        else:
            self._needed = min(LONGEST, self._needed * 2)
            self._silent_until = self._asked_at + accepted + self._pause
            self._pause = min(LONGEST_PAUSE, self._pause * 2)

    def close(self) -> None:
        self._places = {}


def agreement(tokens: Sequence[int], place: int) -> int:
    """How many tokens before `place` are the same as the text's last, LONGEST at most."""
    end = len(tokens)
    count = 0
    while count < min(place, LONGEST) and tokens[place - 1 - count] == tokens[end - 1 - count]:
        count += 1
    return count
