"""Reads a text that is still arriving: parsers are generators that yield deltas, or None to wait. Any thread; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Final, TypeVar

from hoshikage.tools.deltas import Delta

Result = TypeVar("Result")
Steps = Generator[Delta | None, None, Result]
"""This is a parser's run. It yields None when it cannot go on before more text has come, or the text has ended."""

MAX_NAME: Final = 256
SPACE: Final = re.compile(r"\s*")


class NotACall(Exception):
    """What was read is not what it seemed to be."""


class EndOfText(Exception):
    """The text has ended where more was needed."""


class Markers:
    """These texts are looked for; where `spaced`, together with the white space in front of them."""

    def __init__(self, *texts: str, spaced: bool = True) -> None:
        ordered = sorted(texts, key=len, reverse=True)
        prefixes = sorted({text[:end] for text in texts for end in range(1, len(text))}, key=len, reverse=True)
        whole = "|".join(map(re.escape, ordered))
        partial = "|".join(map(re.escape, prefixes))
        # From the first character of a run of white space on, lest a long run be searched from each of its characters.
        space = r"(?<!\s)\s*" if spaced else ""
        self._whole: Final = re.compile(f"{space}({whole})")
        self._any: Final = re.compile(rf"{space}(?:({whole})|(?:{partial}){'?' if spaced else ''}\Z)")
        self._longer: Final = [
            text for text in texts if any(text != short and text.startswith(short) for short in texts)
        ]

    def search(self, text: str, ended: bool) -> tuple[int, str | None, int]:
        """Finds where certain text ends, the mark that was met there, and where the mark ends."""
        met = (self._whole if ended else self._any).search(text)
        if met is None:
            return len(text), None, len(text)
        if met[1] and not ended and self._longer:
            tail = text[met.start(1) :]
            if any(len(longer) > len(tail) and longer.startswith(tail) for longer in self._longer):
                return met.start(), None, met.start()
        return met.start(), met[1], met.end() if met[1] else met.start()


class TextCursor:
    """This is a place in the text. What was read since `begin` can be had again."""

    def __init__(self) -> None:
        self.ended = False
        self._text = ""
        self._at = 0
        self._passed = 0

    def add(self, text: str) -> None:
        self._text += text

    @property
    def rest(self) -> str:
        """Gives what has come and was not read."""
        return self._text[self._at :]

    @property
    def since(self) -> str:
        """Gives what was read since `begin`."""
        return self._text[: self._at]

    @property
    def offset(self) -> int:
        """Counts the characters that have been read in all."""
        return self._passed + self._at

    def begin(self) -> None:
        self._text = self._text[self._at :]
        self._passed += self._at
        self._at = 0

    def take(self, count: int) -> str:
        """Reads `count` characters, which must have come."""
        start = self._at
        self._at += count
        return self._text[start : self._at]

    def back(self, count: int) -> None:
        """Takes back what `take` read, since `begin`."""
        self._at -= count

    def wait(self) -> Steps[None]:
        """Waits until more text is there. Raises EndOfText."""
        if self.ended:
            raise EndOfText
        yield None

    def peek(self) -> Steps[str]:
        """Returns the next character, not read. Raises EndOfText."""
        while self._at == len(self._text):
            yield from self.wait()
        return self._text[self._at]

    def space(self) -> Steps[None]:
        """Reads white space, as much as there is."""
        while True:
            met = SPACE.match(self._text, self._at)
            self._at = met.end() if met else self._at
            if self._at < len(self._text) or self.ended:
                return
            yield None

    def look(self, *texts: str) -> Steps[str | None]:
        """Returns which of `texts` comes next, the longest; not read."""
        while True:
            rest = self.rest
            if not self.ended and any(len(text) > len(rest) and text.startswith(rest) for text in texts):
                yield None
                continue
            return max((text for text in texts if rest.startswith(text)), key=len, default=None)

    def skip(self, *texts: str) -> Steps[str | None]:
        """Reads one of `texts` if it comes next."""
        met = yield from self.look(*texts)
        self.take(len(met or ""))
        return met

    def expect(self, *texts: str) -> Steps[str]:
        """Reads one of `texts`. Raises NotACall, EndOfText."""
        met = yield from self.skip(*texts)
        if met is None:
            if self.ended and any(text.startswith(self.rest) for text in texts):
                raise EndOfText
            raise NotACall
        return met

    def until(self, marks: Markers, emit: Callable[[str], Delta]) -> Steps[str | None]:
        """Passes text on until one of the marks, and reads it; None at the end of the text.

        White space before a mark is not passed on. `begin` is called before the mark and that white space.
        """
        while True:
            start, met, end = marks.search(self.rest, self.ended)
            if start:
                yield emit(self.take(start))
            self.begin()
            if met is not None:
                self.take(end - start)
                return met
            if self.ended:
                return None
            yield None

    def name(self, marks: Markers) -> Steps[tuple[str, str]]:
        """Reads the name or the attributes of a tag as `collect` does. Raises NotACall, with nothing read, where a line
        or a tag begins in it: the mark that is met behind that is somebody else's."""
        start = self.offset
        text, met = yield from self.collect(marks)
        if "<" in text or "\n" in text:
            self.back(self.offset - start)
            raise NotACall
        return text, met

    def collect(self, marks: Markers, maximum: int = MAX_NAME) -> Steps[tuple[str, str]]:
        """Reads up to one of the marks, and it: (text, mark). Raises EndOfText; NotACall after `maximum` characters."""
        text = ""
        while True:
            start, met, end = marks.search(self.rest, self.ended)
            text += self.take(start)
            if len(text) > maximum:
                # Always the same place, however the text came: what follows is read in another way.
                self.back(len(text) - maximum)
                raise NotACall
            if met is not None:
                self.take(end - start)
                return text, met
            yield from self.wait()
