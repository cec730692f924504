"""Writes regular expressions as GBNF, over texts as they stand in a string of JSON. Any thread; pure.

Of what expressions can say, what has a meaning for a whole text is taken: no anchors inside, no looking around, no
repeating of what was met. Every scan is linear in the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

MAX_DEPTH: Final = 32
"""Groups inside of each other."""
LAST: Final = 0x10FFFF
Ranges = list[tuple[int, int]]
ESCAPED: Final = {0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r", 0x22: '"', 0x5C: "\\"}
"""Maps what JSON escapes in a string to the letter by which it does; other control characters are left out."""
RAW: Final[Ranges] = [(0x20, 0x21), (0x23, 0x5B), (0x5D, LAST)]
DIGITS: Final[Ranges] = [(0x30, 0x39)]
WORDS: Final[Ranges] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A), (0x80, LAST)]
"""Which characters above ASCII are letters is left to the model."""
SPACES: Final[Ranges] = [
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
]  # fmt: skip
SHORT: Final = {"d": DIGITS, "w": WORDS, "s": SPACES}
LETTERS: Final = {"n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B, "a": 0x07, "0": 0x00}
MAX_COUNT: Final = "9" * 9
"""This is beyond every bound on repetitions."""
HEX: Final = {"x": 2, "u": 4, "U": 8}


class Unsupported(ValueError):
    """What a grammar says and this module does not."""


def literal(text: str, *, any_case: bool = False) -> str:
    """Writes a GBNF of this text."""
    if not any_case:
        return quoted(json.dumps(text, ensure_ascii=False)[1:-1])
    pairs = ({sign, sign.lower(), sign.upper()} for sign in text)
    return " ".join(chars([(ord(sign), ord(sign)) for sign in pair if len(sign) == 1]) for pair in pairs) or '""'


def quoted(text: str) -> str:
    """Writes the text as GBNF does, which has no lone surrogate."""
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise Unsupported("a half character")
    signs = (sign if sign.isprintable() and sign not in '"\\' else f"\\U{ord(sign):08X}" for sign in text)
    return '"' + "".join(signs) + '"'


def chars(ranges: Iterable[tuple[int, int]]) -> str:
    """Writes a GBNF of one character out of these."""
    merged = _merged(ranges)
    raw = _both(merged, RAW)
    escaped = [letter for code, letter in ESCAPED.items() if any(first <= code <= last for first, last in merged)]
    options = ["[" + "".join(_shown(first, last) for first, last in raw) + "]"] if raw else []
    if escaped:
        options.append(r'"\x5C" [' + "".join(_shown(ord(letter), ord(letter)) for letter in escaped) + "]")
    if not options:
        raise Unsupported("no character")
    return "(" + " | ".join(options) + ")"


def repeated(minimum: str, comma: str, maximum: str) -> str:
    """Writes GBNF's sign of so many times, which it has up to nine digits of. Raises Unsupported for less than the
    least."""
    low, high = _count(minimum), _count(maximum) if maximum else ""
    if high and int(high) < int(low):
        raise Unsupported("{")
    return f"{{{low}{comma}{high}}}"


def _count(digits: str) -> str:
    digits = digits.lstrip("0") or "0"
    return digits if len(digits) <= len(MAX_COUNT) else MAX_COUNT


def to_gbnf(pattern: str, flags: str = "") -> str:
    """Writes a GBNF of the texts that match the whole expression. Raises Unsupported."""
    if set(flags) - set("su"):
        raise Unsupported(flags)
    pattern = pattern.removeprefix("^")
    if pattern.endswith("$") and not pattern.endswith("\\$"):
        pattern = pattern[:-1]
    reader = _Reader(pattern, every="s" in flags)
    result = reader.alternatives()
    if reader.rest:
        raise Unsupported(reader.rest[:1])
    return result


class _Reader:
    def __init__(self, pattern: str, *, every: bool) -> None:
        """With `every`, a dot is any character, a line break, too."""
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._dot: Ranges = [(0, LAST)] if every else [(0, 0x09), (0x0B, LAST)]

    @property
    def rest(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def alternatives(self) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unsupported("(")
        options = [self._sequence()]
        while self._skip("|"):
            options.append(self._sequence())
        self._depth -= 1
        return "(" + " | ".join(options) + ")"

    def _sequence(self) -> str:
        parts: list[str] = []
        while self.rest and self.rest not in "|)":
            parts.append(self._atom() + self._times())
        return " ".join(parts) or '""'

    def _atom(self) -> str:
        sign = self._take()
        if sign == "(":
            if self._skip("?") and not self._skip(":"):
                raise Unsupported("(?")
            inner = self.alternatives()
            self._expect(")")
            return inner
        if sign == "[":
            return chars(self._class())
        if sign == ".":
            return chars(self._dot)
        if sign == "\\":
            return chars(self._escape())
        if sign in "^$*+?{":
            raise Unsupported(sign)
        return literal(sign)

    def _times(self) -> str:
        sign = self.rest
        result = ""
        if sign and sign in "*+?":
            result = self._take()
        elif sign == "{":
            end = self._pattern.find("}", self._at, self._at + 16)
            minimum, comma, maximum = self._pattern[self._at + 1 : end].partition(",")
            if end < 0 or not minimum.isdecimal() or not (maximum.isdecimal() or not maximum):
                raise Unsupported("{")
            self._at = end + 1
            result = repeated(minimum, comma, maximum)
        if result and self._skip("?"):  # as few as will do: the same texts
            pass
        if result and self.rest and self.rest in "*+?{":
            raise Unsupported(self.rest)
        return result

    def _class(self) -> Ranges:
        negated = self._skip("^")
        ranges: Ranges = []
        first = True
        while first or self.rest != "]":
            first = False
            low = self._member()
            if len(low) == 1 and low[0][0] == low[0][1] and self.rest == "-" and self._ahead(1) not in ("]", ""):
                self._take()
                high = self._member()
                if len(high) != 1 or high[0][0] < low[0][0]:
                    raise Unsupported("-")
                ranges.append((low[0][0], high[0][1]))
            else:
                ranges += low
        self._take()
        return _others(ranges) if negated else ranges

    def _member(self) -> Ranges:
        sign = self._take()
        if sign == "\\":
            return self._escape()
        if sign == "[" or (sign in "&~-" and self.rest == sign):  # sets of sets, in some languages
            raise Unsupported(sign)
        return [(ord(sign), ord(sign))]

    def _escape(self) -> Ranges:
        sign = self._take()
        if sign.lower() in SHORT:
            return _others(SHORT[sign.lower()]) if sign.isupper() else SHORT[sign]
        if sign in LETTERS:
            return [(LETTERS[sign], LETTERS[sign])]
        if sign in HEX:
            digits = self._pattern[self._at : self._at + HEX[sign]]
            self._at += HEX[sign]
            try:
                code = int(digits, 16)
            except ValueError:
                raise Unsupported("\\" + sign) from None
            if code > LAST or len(digits) < HEX[sign]:
                raise Unsupported("\\" + sign)
            return [(code, code)]
        if sign.isalnum():
            raise Unsupported("\\" + sign)
        return [(ord(sign), ord(sign))]

    def _ahead(self, count: int) -> str:
        return self._pattern[self._at + count : self._at + count + 1]

    def _take(self) -> str:
        if not self.rest:
            raise Unsupported("the end")
        self._at += 1
        return self._pattern[self._at - 1]

    def _skip(self, sign: str) -> bool:
        met = self.rest == sign
        self._at += met
        return met

    def _expect(self, sign: str) -> None:
        if not self._skip(sign):
            raise Unsupported(sign)


def _merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    result: Ranges = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def _others(ranges: Ranges) -> Ranges:
    result: Ranges = []
    begin = 0
    for first, last in _merged(ranges):
        if first > begin:
            result.append((begin, first - 1))
        begin = last + 1
    return [*result, (begin, LAST)] if begin <= LAST else result


def _both(one: Ranges, other: Ranges) -> Ranges:
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return [(first, last) for first, last in pairs if first <= last]


def _shown(first: int, last: int) -> str:
    codes = [first] if first == last else [first, last]
    if any(0xD800 <= code <= 0xDFFF for code in codes):
        raise Unsupported("a half character")
    return "-".join(chr(code) if chr(code).isalnum() and code < 0x80 else f"\\U{code:08X}" for code in codes)
