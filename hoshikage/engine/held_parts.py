"""Holds a part of an answer to a grammar: what comes behind its thoughts, or what its calls are given. Engine thread.

Where such a part begins is seen in the answer's text. A token may end behind that place: then it is drawn only if the
grammar takes its end.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hoshikage.engine.thoughts import ThoughtLimit, Thoughts
from hoshikage.llama.grammar import Matcher

MAX_HEADER: Final = 1024
"""The beginning of a call is looked for in so many bytes of text; they hold its mark, its id and its name."""
CUT: Final = b"\0"
"""Stands for text that is not looked at any more, so that no later text is taken for the answer's beginning."""

TextOf = Callable[[int], bytes]


class BehindThoughts:
    """The model thinks as it likes; then its answer is held. Stands in the place of a matcher."""

    def __init__(self, matcher: Matcher, limit: ThoughtLimit, text_of: TextOf, ends: frozenset[int]) -> None:
        """`matcher` takes white space in front. An end in thoughts ends them alone."""
        self.param = matcher.param
        self._matcher = matcher
        self._limit = limit
        self._thoughts = Thoughts(limit)
        self._text_of = text_of
        self._ends = ends
        self._due = deque(limit.opening if limit.always and not limit.begun else ())
        self._begun = limit.begun
        self._opening: NDArray[np.bool_] = np.zeros(0, np.bool_)
        """These tokens begin the mark of thoughts, and nothing that the answer itself may begin with."""

    @property
    def complete(self) -> bool:
        """Tells whether nothing but the end may come: thoughts are over, and the grammar takes no more."""
        return self._thoughts.is_over and not self._due and self._matcher.complete

    def due(self) -> int | None:
        """Returns a token of a mark, or of what must stand behind one; None where none must come."""
        token = self._due.popleft() if self._due else self._thoughts.next_forced()
        if token is not None:
            self._think(token)
        return token

    def mask(self) -> NDArray[np.bool_] | None:
        """Returns which tokens may come next; with its first token the answer may begin to think, or do without."""
        if self._thoughts.is_inside:
            return None
        mask = self._matcher.mask()
        if not self._begun:
            mask = mask & ~self._matcher.spaced
            self._opening = self._matcher.beginning(self._limit.opens) & ~mask
            self._opening[self._limit.opening[0]] = not mask[self._limit.opening[0]]
            mask |= self._opening
        return mask

    def takes(self, token: int) -> bool:
        """Returns whether the end of a token that ends thoughts is one that the answer can begin with."""
        behind = None if token in self._ends else self._thoughts.behind_with(self._text_of(token))
        return behind is None or (not behind if self._limit.lead_in else self._matcher.takes_text(behind))

    def accept(self, token: int) -> int:
        """Goes on behind this token; behind the first of the mark where it would end an answer of thoughts alone."""
        if self._thoughts.is_inside:
            if token in self._ends:
                self._thoughts.end()
                token = self._thoughts.next_forced() or token
            self._think(token)
        elif not self._begun and self._opening[token]:
            self._open(token)
            self._think(token)
        else:
            self._begun = self._thoughts.is_over = True
            self._matcher.accept(token)
        return token

    def forced(self, maximum: int) -> list[int]:
        """Goes on behind the tokens that the grammar leaves no choice of, and returns them; none before the answer
        itself."""
        return self._matcher.forced(maximum) if self._thoughts.is_over and not self._due else []

    def _open(self, token: int) -> None:
        """What the mark lacks behind its first token must come next."""
        if token == self._limit.opening[0]:
            self._due.extend(self._limit.opening[1:])
        else:
            self._due.extend(self._matcher.tokens_of(self._limit.opens[len(self._text_of(token)) :]))

    def _think(self, token: int) -> None:
        if self._thoughts.is_over:  # a mark between thoughts and answer
            return
        self._begun = True
        if self._thoughts.feed(self._text_of(token)):
            self._due.extend(self._limit.lead_in)
            self._matcher.accept_text(self._thoughts.behind)


class InCalls:
    """The model writes what it likes; where it opens a call, that is held. Stands in the place of a matcher."""

    complete = False

    def __init__(
        self, header: re.Pattern[bytes], matchers: Mapping[str, Matcher], limit: ThoughtLimit | None, text_of: TextOf
    ) -> None:
        """`header`, and the names of `matchers`, are as in params.HeldCalls; in the thoughts that `limit` tells there
        is no call."""
        self.param = "tools"
        self._header = header
        self._matchers = matchers
        self._thoughts = None if limit is None else Thoughts(limit)
        self._text_of = text_of
        self._text = b""
        self._held: Matcher | None = None

    def due(self) -> None:
        """Returns None: no token must come whatever else is forbidden."""

    def mask(self) -> NDArray[np.bool_] | None:
        """Returns which tokens may come next, good until the next call; None outside of a call, where all may come."""
        return None if self._held is None else self._held.mask()

    def takes(self, token: int) -> bool:
        """Returns whether the end of a token that opens a call is one that its arguments can begin with."""
        if self._held is not None or (self._thoughts is not None and not self._thoughts.is_over):
            return True
        opened, behind = self._opened(self._text_of(token))
        return opened is None or opened.takes_text(behind)

    def accept(self, token: int) -> int:
        """Goes on behind this token, and returns it."""
        if self._held is None:
            self._read(self._text_of(token))
        else:
            self._held.accept(token)
            self._let_go()
        return token

    def forced(self, maximum: int) -> list[int]:
        """Goes on behind the tokens that a call's grammar leaves no choice of, and returns them; none outside of a
        call."""
        if self._held is None:
            return []
        tokens = self._held.forced(maximum)
        self._let_go()
        return tokens

    def _let_go(self) -> None:
        if self._held is not None and self._held.complete:
            self._held = None

    def _read(self, piece: bytes) -> None:
        if self._thoughts is not None and not self._thoughts.is_over:
            if not self._thoughts.feed(piece):
                return
            piece = self._thoughts.behind
        opened, behind = self._opened(piece)
        if opened is None or not opened.takes_text(behind):
            text = self._text + piece
            self._text = text if len(text) <= MAX_HEADER else CUT + text[-MAX_HEADER // 2 :]
            return
        self._held, self._text = opened.again(), b""
        self._held.accept_text(behind)

    def _opened(self, piece: bytes) -> tuple[Matcher | None, bytes]:
        """Returns what holds the text behind `piece`, and the end of that which belongs to it."""
        text = self._text + piece
        for met in self._header.finditer(text):
            name = next((group for group in met.groups() if group is not None), b"").decode("utf-8", "replace")
            if (matcher := self._matchers.get(name)) is not None:
                return matcher, text[met.end() :]
        return None, b""
