r"""Makes regular expressions of JSON schemas such that llguidance enforces them. Pure.

llguidance 1.9 looks for a pattern in the escaped text of a string, and a character class that holds most control
characters, but not the quote or not the backslash, lets the escaped forms of those two pass too: `[^"]` takes `\"`.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

CLASS: Final = re.compile(r"\\.|(\[\^?(?:\\.|[^\\\]])(?:\\.|[^\\\]])*(?:\]|\\?\Z))", re.DOTALL)
"""One that does not end goes to the text's end: it is refused later, and not looked at from each `[` in it."""
CONTROL: Final = tuple(map(chr, range(0x20)))
NOT_CONTROL: Final = r"\x00-\x1f"
FEW: Final = 5
"""A class is right that has so many control characters, those of `\\s`, or fewer."""


class Unsafe(ValueError):
    """The pattern holds a class that cannot be made right."""


def safe(pattern: str) -> str:
    """Returns the pattern, of whose strings some with control characters are left out where it takes that."""
    if re.search(r"\\[pP]\{?\^?C", pattern):
        raise Unsafe(pattern)
    return CLASS.sub(lambda met: _class(met[1]) if met[1] else met[0], pattern)


def is_safe(pattern: str) -> bool:
    """Returns whether nothing needs to be changed."""
    try:
        return safe(pattern) == pattern
    except Unsafe:
        return False


def _class(text: str) -> str:
    negated = text.startswith("[^")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of `[` in a class, which Python may read otherwise some day
            matcher = re.compile(text, re.ASCII)
    except re.error:  # \p{L} and the like
        return f"[^{NOT_CONTROL}{text[2:]}" if negated else text
    if sum(matcher.match(character) is not None for character in CONTROL) <= FEW:
        return text
    if matcher.match('"') and matcher.match("\\"):
        return text
    if not negated:
        raise Unsafe(text)
    return f"[^{NOT_CONTROL}{text[2:]}"
