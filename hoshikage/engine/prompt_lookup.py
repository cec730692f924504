"""Guesses tokens by looking up: where the end of a text stood before, what came next may come again. Engine thread;
pure.

Editing, extraction and code repeat much of their prompt. A text that does not must lose next to nothing, so guessing
lives on credit: it may lose a small share of the work, what it has won it may risk again. Where a failure is dear, and
after one, only longer agreement makes a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoshikage.engine.costs import BatchCost

SHORTEST: Final = 3
"""So many tokens at the text's end must have stood together before."""
LONGEST: Final = 24
"""Agreement is looked at up to so many tokens."""
LENGTHS: Final = (15, 7, 3)
"""A guess has one of these numbers of tokens; with the one that is certain it fills a batch whose cost is soon
known."""
WORTH: Final = 1.3
"""A guess is made where it gains at least so much if it is right."""
CAUTION: Final = 2.0
"""So many more tokens must agree for each decode that a failure would cost, where no guess has been right yet."""
FIRST_CREDIT: Final = 3.0
"""All texts of a model together may lose so much to begin with."""
OWN_CREDIT: Final = 1.0
"""One text may lose so much to begin with."""
MAX_CREDIT: Final = 12.0
"""What was won may be lost again up to here."""
EARNED: Final = 0.02
"""Each token without a guess adds so much to what guessing may lose, in decodes of one token."""


class Credit:
    """A credit is what guessing may lose, in decodes of one token. The texts of one model share it, as they are often
    of a kind; each has one of its own beside it, so that it does not lose all that others have won."""

    __slots__ = ("left",)

    def __init__(self, left: float = FIRST_CREDIT) -> None:
        self.left = left

    def add(self, gain: float) -> None:
        self.left = min(MAX_CREDIT, self.left + gain)


class PromptLookup:
    """This is a Proposer. It keeps one place for each SHORTEST tokens that stand together, the latest."""

    def __init__(self, cost: BatchCost, credit: Credit) -> None:
        self._cost = cost
        self._credits = (credit, Credit(OWN_CREDIT))
        self._places: dict[tuple[int, ...], int] = {}
        """Tokens lead here to the position behind them, where another one stands."""
        self._known = SHORTEST
        """It knows the positions before this one."""
        self._needed = 0
        """So many tokens must agree, where that is more than the usual."""
        self._trusted = False
        """The last guess has won something."""

    def propose(self, tokens: Sequence[int], maximum: int) -> Sequence[int]:
        end = len(tokens)
        places = self._places
        for position in range(self._known, end):
            places[tuple(tokens[position - SHORTEST : position])] = position
        self._known = max(self._known, end)
        for credit in self._credits:
            credit.add(EARNED)
        if min(credit.left for credit in self._credits) <= 0:
            return ()
        place = places.get(tuple(tokens[end - SHORTEST :]))
        if place is None:
            return ()
        length = self._worthwhile(maximum)
        if not self._trusted and agreement(tokens, place) < self._agreement_for(length):
            return ()
        result = list(tokens[place : place + length])
        period = end - place
        while len(result) < length:  # a text that goes round in a circle is taken to go on so
            result.append(result[-period])
        return result

    def verified(self, guessed: int, accepted: int) -> None:
        if not guessed:
            return
        gain = 1 + accepted - self._cost.of(1 + guessed)
        for credit in self._credits:
            credit.add(gain)
        self._trusted = gain > 0
        self._needed = 0 if gain > 0 else min(LONGEST, 2 * self._agreement_for(guessed))

    def close(self) -> None:
        self._places = {}

    def _agreement_for(self, length: int) -> int:
        """Returns how many tokens must agree for a guess of this length, where the last one was not right."""
        cost = self._cost.of(1 + length) - 1
        return min(LONGEST, max(self._needed, SHORTEST + int(CAUTION * cost)))

    def _worthwhile(self, maximum: int) -> int:
        """Returns the length that gains most if all of it is right; 0 where none gains enough."""
        lengths = [length for length in LENGTHS if length <= maximum]
        cost = self._cost.of
        best = max(lengths, key=lambda length: (1 + length) / cost(1 + length), default=0)
        return best if best and 1 + best >= WORTH * cost(1 + best) else 0


def agreement(tokens: Sequence[int], place: int) -> int:
    """Returns how many tokens before `place` are the same as the text's last, LONGEST at most."""
    end = len(tokens)
    count = 0
    while count < min(place, LONGEST) and tokens[place - 1 - count] == tokens[end - 1 - count]:
        count += 1
    return count
