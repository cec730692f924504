"""Says where pictures and sounds stand in a text: their tokens are its own, their positions may be fewer. Pure.

In a text's list of tokens each has as many numbers below 0 as it has tokens. They come from what the file is, so that
two texts begin alike where they have the same pictures; and none of them is a token of a vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hoshikage.llama.projector import Piece


class Span(NamedTuple):
    """A span says where one piece of a picture or sound begins among a text's tokens."""

    start: int
    piece: Piece


class Spans:
    """Holds all spans of one text, in the text's order."""

    __slots__ = ("_all",)

    def __init__(self, spans: Sequence[Span] = ()) -> None:
        self._all = tuple(spans)

    @classmethod
    def of(cls, tokens: Sequence[int], pieces: Mapping[int, Piece]) -> Spans:
        """Finds the spans of a text; `pieces` says what each number below 0 stands for."""
        spans, at = [], 0
        while at < len(tokens):
            if tokens[at] >= 0:
                at += 1
                continue
            spans.append(Span(at, pieces[tokens[at]]))
            at += spans[-1].piece.n_tokens
        return cls(spans)

    def position(self, n_tokens: int) -> int:
        """Returns the position behind the first tokens; they end with no part of a span."""
        position = n_tokens
        for start, piece in self._all:
            if start >= n_tokens:
                break
            position += piece.n_positions - piece.n_tokens
        return position

    def at(self, n_tokens: int) -> Piece | None:
        """Returns what begins behind the first tokens, if something does."""
        return next((piece for start, piece in self._all if start == n_tokens), None)

    def reach(self, n_tokens: int, end: int) -> int:
        """Returns where the first span begins that is at or behind `n_tokens`; `end` where none is."""
        return next((start for start, _ in self._all if start >= n_tokens), end)

    def whole(self, n_tokens: int) -> int:
        """Returns so many first tokens, or less where they would end within a span."""
        inside = (start for start, piece in self._all if start < n_tokens < start + piece.n_tokens)
        return next(inside, n_tokens)


def number_of(digest: str, index: int) -> int:
    """Makes the number that stands for a file's piece of that index in a text's tokens."""
    return -1 - int.from_bytes(hashlib.sha256(f"{digest} {index}".encode()).digest()[:8], "little")
