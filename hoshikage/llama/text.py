"""Assembles the text of one answer from token pieces: whole characters, cut at stop strings. Pure; one thread."""

from __future__ import annotations

from codecs import utf_8_decode


class TextAssembler:
    """Feeds on the bytes of tokens and releases text that is certain.

    Certain is what is whole UTF-8 and cannot be part of a stop string. All that `feed` and `finish` return, joined, is
    the pieces' bytes, joined, decoded with errors="replace" and cut where the first stop string begins: the one that
    begins earliest in the text, the shortest of those. How the bytes are split into pieces changes nothing.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._stops = sorted(filter(None, set(stop)), key=lambda text: (len(text), text))
        self.stop: str | None = None
        """This stop string was met. Nothing is released after it."""
        self.dedented = False
        """`dedented` tells whether a line came that is indented by less than is asked for. Nothing is released from it
        on."""
        self._bytes = b""
        self._held = ""

    @property
    def stopped(self) -> bool:
        return self.stop is not None

    def feed(self, piece: bytes) -> str:
        """Takes the next token's bytes, and returns the text that has become certain, often empty."""
        if not self._bytes and piece.isascii():
            text = piece.decode("ascii")
        else:
            data = self._bytes + piece
            text, consumed = utf_8_decode(data, "replace", False)
            self._bytes = data[consumed:]
        if not self._stops:
            return text
        if self.stop is not None:
            return ""
        text = self._held + text
        start, stop = self._whole(text)
        begun = self._begun(text)
        if begun < start:
            self._held = text[begun:]
            return text[:begun]
        self.stop = stop
        self._held = ""
        return text[:start]

    def finish(self) -> str:
        """Returns the rest, after the last token. Unfinished characters become U+FFFD."""
        rest = self._held + self._bytes.decode("utf-8", "replace")
        self._held, self._bytes = "", b""
        if self.stop is not None:
            return ""
        start, self.stop = self._whole(rest)
        return rest[:start]

    def _whole(self, text: str) -> tuple[int, str | None]:
        """Returns where the first stop string begins, and which it is; the text's end and None where there is none."""
        start, result = len(text), None
        for stop in self._stops:
            at = text.find(stop)
            if 0 <= at < start:
                start, result = at, stop
        return start, result

    def _begun(self, text: str) -> int:
        """Returns where what may become a stop string begins, at the text's end; the end itself where nothing may."""
        begun = len(text)
        for stop in self._stops:
            at = text.find(stop[0], max(0, len(text) - len(stop) + 1))
            while 0 <= at < begun:
                if stop.startswith(text[at:]):
                    begun = at
                else:
                    at = text.find(stop[0], at + 1)
        return begun


class IndentedText(TextAssembler):
    """Also ends before the first line behind a line break that is indented by less than `least` blanks or tabs."""

    def __init__(self, stop: tuple[str, ...], minimum: int) -> None:
        super().__init__(stop)
        self._least = minimum
        self._indent: int | None = None
        """`_indent` counts the blanks and tabs in front of the line that begins; None within a line, and in the
        first."""

    def feed(self, piece: bytes) -> str:
        return "" if self.dedented else self._lines(super().feed(piece))

    def finish(self) -> str:
        return "" if self.dedented else self._lines(super().finish())

    def _lines(self, text: str) -> str:
        for at, character in enumerate(text):
            if self._indent is not None:
                if character in " \t":
                    self._indent += 1
                    continue
                if self._indent < self._least:
                    self.dedented, self.stop = True, None  # a stop string further on is not met
                    return text[:at]
                self._indent = None
            if character == "\n":
                self._indent = 0
        return text
