"""Assembles the text of one answer from token pieces: whole characters, cut at stop strings. Pure; one thread."""

from __future__ import annotations

import re
from codecs import utf_8_decode


class TextAssembler:
    """Feeds on the bytes of tokens and releases text that is certain.

    Certain is what is whole UTF-8 and cannot be part of a stop string. All that `feed` and `finish` return, joined, is
    the pieces' bytes, joined, decoded with errors="replace" and cut where the first stop string begins: the one that
    begins earliest in the text, the shortest of those. How the bytes are split into pieces changes nothing.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        stops = sorted(filter(None, set(stop)), key=lambda text: (len(text), text))
        self.stop: str | None = None
        """The stop string that was met. Nothing is released after it."""
        self._bytes = b""
        self._held = ""
        self._whole = self._search = None
        if stops:
            prefixes = sorted({text[:end] for text in stops for end in range(1, len(text))}, key=len, reverse=True)
            whole = "|".join(map(re.escape, stops))
            self._whole = re.compile(whole)
            # Leftmost: a whole stop string, or one that the text's end may be the beginning of.
            partial = "|".join(map(re.escape, prefixes))
            self._search = re.compile(rf"({whole})|(?:{partial})\Z" if prefixes else f"({whole})")

    @property
    def stopped(self) -> bool:
        return self.stop is not None

    def feed(self, piece: bytes) -> str:
        """Take the next token's bytes; the text that has become certain, often empty."""
        if not self._bytes and piece.isascii():
            text = piece.decode("ascii")
        else:
            data = self._bytes + piece
            text, consumed = utf_8_decode(data, "replace", False)
            self._bytes = data[consumed:]
        if self._search is None:
            return text
        if self.stop is not None:
            return ""
        text = self._held + text
        met = self._search.search(text)
        if met is None:
            self._held = ""
            return text
        start = met.start()
        self.stop = met[1]
        self._held = "" if met[1] else text[start:]
        return text[:start]

    def finish(self) -> str:
        """The rest, after the last token. Unfinished characters become U+FFFD."""
        rest = self._held + self._bytes.decode("utf-8", "replace")
        self._held, self._bytes = "", b""
        if self.stop is not None:
            return ""
        met = self._whole.search(rest) if self._whole is not None else None
        if met is None:
            return rest
        self.stop = met[0]
        return rest[: met.start()]
