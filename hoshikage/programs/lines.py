"""Tells how a text file begins and ends its lines, so that what is put into it does likewise. Pure."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

MARK: Final = "\ufeff"
"""Some editors begin a UTF-8 file with this byte-order mark."""
END: Final = re.compile(r"\r\n|\n|\r")


def parted(text: str) -> tuple[str, str]:
    """Returns the byte-order mark, which is empty where there is none, and the rest."""
    return (MARK, text[1:]) if text.startswith(MARK) else ("", text)


def ending(text: str) -> str:
    """Returns the line end that the text has most, and of equals the first; a text without lines gets ours."""
    counts = Counter(END.findall(text))
    return max(counts, key=lambda end: counts[end], default="\n")


def closed(text: str) -> str:
    """Returns the text with its last line ended."""
    return text if not text or text[-1] in "\r\n" else text + ending(text)


def start(text: str, at: int) -> int:
    """Returns where the line begins in which `at` is."""
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def position(text: str, at: int) -> tuple[int, int]:
    """Returns the line and the character in it, both from 1 on."""
    return len(END.findall(text, 0, start(text, at))) + 1, at - start(text, at) + 1
