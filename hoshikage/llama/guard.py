"""Keeps control tokens out of what users write: marks in their strings, taken out of the rendered prompt. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

LONGEST: Final = 512
"""So many characters of a control token's text are looked at; real ones have some thirty."""


class Guard:
    """Guards the control tokens' `texts`.

    Before rendering, a mark goes behind the first character of each text that stands in a string of the user, and of
    each beginning of one at a string's end (the rest may come from the next string). After rendering, the marks are
    taken out, and a control token's text that begins where one was is kept apart, to be read as plain text.
    """

    def __init__(self, texts: tuple[str, ...]) -> None:
        # What a longer one begins with suffices: apart from its rest, it is no token any more.
        texts = tuple(sorted({text[:LONGEST] for text in texts if text}, key=lambda text: (-len(text), text)))
        self._texts = re.compile("|".join(map(re.escape, texts))) if texts else None
        # A lookahead finds texts that overlap, too.
        self._begins = re.compile(f"(?=(?:{self._texts.pattern}))(?s:.)") if self._texts else None
        self._prefixes = frozenset(text[:end] for text in texts for end in range(1, len(text)))
        self._longest = max(map(len, texts), default=1) - 1

    def marked(self, value: Any, mark: str) -> Any:
        """Copies JSON-like `value` with marks in all its strings, the keys of its objects included."""
        if isinstance(value, str):
            return value if self._begins is None else self._marked_text(value, mark)
        if isinstance(value, dict):
            return {self.marked(key, mark): self.marked(item, mark) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.marked(item, mark) for item in value]
        return value

    def parts(self, text: str, mark: str) -> Iterator[tuple[str, bool]]:
        """Yields the rendered text without marks, as (text, parse_special) in order."""
        if mark not in text or self._texts is None:
            if text:
                yield text, True
            return
        clean = text.replace(mark, "")
        done = 0
        for start in self._guarded_starts(text, mark):
            met = self._texts.match(clean, start)
            if met is None or start < done:
                continue
            if done < start:
                yield clean[done:start], True
            yield met[0], False
            done = met.end()
        if done < len(clean):
            yield clean[done:], True

    def _marked_text(self, text: str, mark: str) -> str:
        assert self._begins is not None
        starts = {met.start() for met in self._begins.finditer(text)}
        first = max(0, len(text) - self._longest)
        starts.update(at for at in range(first, len(text)) if text[at:] in self._prefixes)
        ends = [0, *(start + 1 for start in sorted(starts)), len(text)]
        return mark.join(text[begin:end] for begin, end in pairwise(ends))

    def _guarded_starts(self, text: str, mark: str) -> Iterator[int]:
        """Yields where in the clean text, without marks, each mark's control text would begin."""
        removed = 0
        at = text.find(mark)
        while at >= 0:
            yield max(0, at - removed - 1)
            removed += len(mark)
            at = text.find(mark, at + len(mark))
