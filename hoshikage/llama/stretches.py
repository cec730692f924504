"""Tokenizes prompts stretch by stretch, up to each control token; what is known of a stretch is not tokenized again.
Used in the engine thread.

The library itself cuts a text at the texts of special tokens before it looks for others, so that what stands in front
of one and behind it never meets. That holds where no other special token's text could lie across the cut, and where
the token takes no white space behind it; a text is cut nowhere else. Callers with different tokens share nothing: how
long it takes would tell what somebody else has asked.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping
from typing import Final

MAX_CHARACTERS: Final = 1 << 20
"""All stretches that are remembered have at most so many characters: some 250,000 tokens, a megabyte for their texts
and one for their tokens."""
PROBES: Final = (("a", "b"), ("a ", " b"), ("\n", "\n\n"), ("星", "\u3000星"))
"""These texts stand on both sides of a cut when it is tried."""

Tokenize = Callable[[str], list[int]]


class Stretches:
    """Remembers the newest."""

    def __init__(self, tokenize: Tokenize, cuts: Mapping[str, bool], maximum: int = MAX_CHARACTERS) -> None:
        """`cuts` has the texts of all special tokens, and whether each may be cut behind, as far as it alone can
        tell."""
        self._tokenize = tokenize
        self._cuts = cuts
        self._maximum = maximum
        texts = sorted((text for text, able in cuts.items() if able and text), key=lambda text: (-len(text), text))
        self._texts = re.compile("|".join(map(re.escape, texts))) if texts else None
        self._clean: dict[str, bool] = {}
        self._known: dict[tuple[str, str], array[int]] = {}
        self._characters = 0

    def tokens(self, text: str, scope: str) -> list[int]:
        """Returns the tokens that the library makes of the whole text, with the texts of control tokens as those
        tokens. `scope`: the caller's."""
        tokens: list[int] = []
        begin = 0
        for met in self._texts.finditer(text) if self._texts is not None else ():
            if self._is_clean(met[0]):
                tokens += self._of(text[begin : met.end()], scope)
                begin = met.end()
        if begin < len(text):
            tokens += self._of(text[begin:], scope)
        return tokens

    def _of(self, stretch: str, scope: str) -> array[int]:
        key = scope, stretch
        known = self._known.pop(key, None)
        if known is None:
            known = array("i", self._tokenize(stretch))
            self._characters += len(stretch)
        self._known[key] = known  # the newest stand last
        while self._characters > self._maximum:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._characters -= len(oldest[1])
        return known

    def _is_clean(self, text: str) -> bool:
        """Returns whether a text may be cut behind this one: no other special token's text can lie across, and the
        library has cut there when it was tried."""
        known = self._clean.get(text)
        if known is None:
            alone = not any(_meet(text, other) for other in self._cuts if other != text)
            known = self._clean[text] = alone and all(self._parts(f"{front}{text}", behind) for front, behind in PROBES)
        return known

    def _parts(self, front: str, behind: str) -> bool:
        return self._tokenize(front + behind) == [*self._tokenize(front), *self._tokenize(behind)]


def _meet(text: str, other: str) -> bool:
    """Returns whether `other` can hold a part of `text` that stands somewhere, and something beside it."""
    if text in other:
        return True
    ends = range(1, min(len(text), len(other) - 1) + 1)
    return any(text.endswith(other[:end]) or text.startswith(other[-end:]) for end in ends)
