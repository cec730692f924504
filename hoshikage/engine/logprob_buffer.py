"""Keeps log probabilities until their text is certain, so that both go out together. Engine thread; pure."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterable
from itertools import islice

from hoshikage.wire import Chosen, Likely


class LogprobBuffer:
    """Tokens go in with their bytes, and text as it becomes certain; both come out cut between tokens.

    The texts of the tokens that come out, joined, are the text that comes out with them: a token that only begins a
    character has the text "", and the one that completes it has the character. A token that a stop string cuts keeps
    what is left of it.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting: deque[Chosen] = deque()
        self._text = ""

    def add(self, raw: bytes, logprob: float, top: Iterable[tuple[bytes, float, int]], token: int = -1) -> None:
        """Adds the next token of the answer, and the likeliest in its place with their numbers."""
        likely = tuple(Likely(other.decode("utf-8", "replace"), other, value, number) for other, value, number in top)
        self._waiting.append(Chosen(Likely(self._decoder.decode(raw), raw, logprob, token), likely))

    def release(self, text: str) -> tuple[str, tuple[Chosen, ...]]:
        """Returns the text up to the end of the last token that is wholly certain, and the tokens of it. Both may be
        empty."""
        self._text += text
        length = end = 0
        # While a character is begun, the last token stays: what becomes of it is part of that token's text.
        ready = len(self._waiting) - bool(self._decoder.getstate()[0])
        for number, entry in enumerate(islice(self._waiting, ready), start=1):
            if length + len(entry.token.text) > len(self._text):
                break
            if entry.token.text:  # one without waits for the next that has some
                length += len(entry.token.text)
                end = number
        released, self._text = self._text[:length], self._text[length:]
        return released, tuple(self._waiting.popleft() for _ in range(end))

    def finish(self, text: str) -> tuple[str, tuple[Chosen, ...]]:
        """Returns the rest. Nothing may be added after it."""
        rest = self._decoder.decode(b"", final=True)
        if rest and self._waiting:
            last = self._waiting.pop()
            self._waiting.append(_with_text(last, last.token.text + rest, last.token.raw))
        released, ready = self.release(text)
        while self._text and self._waiting:
            cut = self._waiting.popleft()
            kept, self._text = self._text[: len(cut.token.text)], self._text[len(cut.token.text) :]
            released += kept
            ready += (_with_text(cut, kept, kept.encode()),)
        return released, ready


def _with_text(entry: Chosen, text: str, raw: bytes) -> Chosen:
    return Chosen(Likely(text, raw, entry.token.logprob, entry.token.id), entry.top)
