"""Splits texts into sentences; code, lists and quotations stay whole. Keeper process; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import sentencex

JAPANESE: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
FENCE: Final = re.compile(r"\s{0,3}(```+|~~~+)")
LISTED: Final = re.compile(r"\s*(?:[-*+•・]|\d{1,3}[.)])\s+\S")
QUOTED: Final = re.compile(r"\s{0,3}>")
TABLE: Final = re.compile(r"\s*\|.*\|\s*$")
CLOSED: Final = ("」", "』", "”", '"', "）", ")")
GOES_ON: Final = re.compile(r"(?:と|って|など|という|は|が|を|に|の|も)")
"""A Japanese sentence goes on like this behind something quoted."""


def sentences_of(text: str) -> list[str]:
    """Returns the sentences, in their order, none empty. Joined, they are the text but for white space."""
    result: list[str] = []
    for block, whole in _blocks(text.splitlines()):
        if whole:
            result.append(block)
        else:
            result += _sentences(block)
    return result


def _blocks(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Yields runs of lines that belong together, each with whether it stays whole."""
    held: list[str] = []
    kind = ""
    fence = ""

    def block() -> Iterator[tuple[str, bool]]:
        if words := "\n".join(held).strip():
            yield words, kind != "words"
        held.clear()

    for line in lines:
        if fence:
            held.append(line)
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                yield from block()
                fence = ""
            continue
        opened = FENCE.match(line)
        now = "code" if opened else _kind(line, kind)
        if now != kind or opened:
            yield from block()
        kind = now
        held.append(line)
        if opened:
            fence = opened[1]
    yield from block()


def _kind(line: str, before: str) -> str:
    if LISTED.match(line):
        return "list"
    if QUOTED.match(line):
        return "quotation"
    if TABLE.match(line):
        return "table"
    if before == "list" and line.startswith(("  ", "\t")):
        return "list"  # a point that goes on
    return "words" if line.strip() else ""


def _sentences(block: str) -> list[str]:
    """Splits running words into sentences. A line break ends one only where the splitter says so."""
    language = "ja" if JAPANESE.search(block) else "en"
    result: list[str] = []
    for piece in sentencex.segment(language, block):
        words = piece.strip()
        if not words:
            continue
        if result and language == "ja" and result[-1].endswith(CLOSED) and GOES_ON.match(words):
            result[-1] += words
        else:
            result.append(words)
    return result
