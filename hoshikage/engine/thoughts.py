"""How long one answer has thought: counts its tokens, and says when the mark that ends thoughts must come. Engine."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThoughtLimit:
    """A bound on thoughts, for one prompt and vocabulary."""

    maximum: int
    """Tokens between the marks."""
    opens: bytes
    closes: bytes
    begun: bool
    """The prompt ends with the opening mark."""
    ending: tuple[int, ...]
    """The tokens that end thoughts, in the place of what the model would say."""


class Thoughts:
    """Of one answer. Fed with each of its tokens."""

    def __init__(self, limit: ThoughtLimit) -> None:
        self._limit = limit
        self._count = 0
        self._text = b""
        self._inside = limit.begun
        self._over = False
        self._forced: deque[int] = deque()

    def next_forced(self) -> int | None:
        """The token that must come next, if one must."""
        return self._forced.popleft() if self._forced else None

    def feed(self, piece: bytes) -> None:
        """The answer's next token has this text."""
        if self._over:
            return
        self._text += piece
        if not self._inside:
            self._begin()
        elif self._limit.closes in self._text:
            self._over = True
        else:
            self._text = self._text[-len(self._limit.closes) :]
            self._count += 1
            if self._count == self._limit.maximum:
                self._forced.extend(self._limit.ending)

    def _begin(self) -> None:
        """An answer that begins with anything else has no thoughts."""
        said, opens = self._text.lstrip(), self._limit.opens
        if said.startswith(opens):
            self._inside, self._text = True, said[len(opens) :]
        elif not opens.startswith(said):
            self._over = True
