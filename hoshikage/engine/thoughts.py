"""Counts the tokens of one answer's thoughts, and says when the mark that ends them must come. Engine thread."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThoughtLimit:
    """This says where thoughts are and how long they may be, for one prompt and vocabulary."""

    maximum: int | None
    """`maximum` bounds the tokens between the marks; None is no bound."""
    opens: bytes
    closes: bytes
    begun: bool
    """The prompt ends with the opening mark."""
    ending: tuple[int, ...]
    """The tokens of `ending` end thoughts, in the place of what the model would say."""
    opening: tuple[int, ...] = ()
    """These tokens begin thoughts."""
    lead_in: tuple[int, ...] = ()
    """These tokens stand between the end of thoughts and what a grammar holds."""
    always: bool = False
    """`always` says that an answer that a grammar holds begins with thoughts; else the model may leave them out."""


class Thoughts:
    """Watches the thoughts of one answer, and is fed with the text of each of its tokens."""

    def __init__(self, limit: ThoughtLimit) -> None:
        self._limit = limit
        self._count = 0
        self._text = b""
        self.is_inside = limit.begun
        self.is_over = False
        """`is_over` tells whether no thoughts will come any more."""
        self.behind = b""
        """`behind` is what has come behind their mark, or in their place, with the token that showed that they are
        over."""
        self._forced: deque[int] = deque()

    def next_forced(self) -> int | None:
        """Returns the token that must come next, if one must."""
        return self._forced.popleft() if self._forced else None

    def feed(self, piece: bytes) -> bool:
        """The answer's next token has this text. Whether they are over."""
        if self.is_over:
            return True
        self._text += piece
        if not self.is_inside:
            self._begin()
        elif self._limit.closes in self._text:
            self.is_inside, self.is_over = False, True
            self.behind = self._text.partition(self._limit.closes)[2]
        else:
            self._text = self._text[-len(self._limit.closes) :]
            self._count += 1
            if self._count == self._limit.maximum:
                self.end()
        return self.is_over

    def end(self) -> None:
        """Makes the thoughts end here: the tokens that end them come next."""
        self._forced.extend(self._limit.ending)

    def behind_with(self, piece: bytes) -> bytes | None:
        """Returns what would stand behind the mark that ends them if `piece` came next; None where that did not end
        them."""
        if not self.is_inside:
            return None
        _, mark, behind = (self._text + piece).partition(self._limit.closes)
        return behind if mark else None

    def _begin(self) -> None:
        """An answer that begins with anything else has no thoughts."""
        said, opens = self._text.lstrip(), self._limit.opens
        if said.startswith(opens):
            self.is_inside, self._text = True, said[len(opens) :]
        elif not opens.startswith(said):
            self.is_over, self.behind = True, self._text
