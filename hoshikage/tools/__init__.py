"""Reads and writes tools as models do: from an answer's text to calls, and from tools to a prompt's text. Pure; no I/O.

What reads and writes calls is imported by its own module, where there are tools.
"""

from hoshikage.tools.deltas import CallArguments, CallStart, Content, Delta, Reasoning, Rest
from hoshikage.tools.detect import ChatFormat, detect, place_of_tools
from hoshikage.tools.known_formats import KnownFormat
from hoshikage.tools.thought_marks import ThoughtMarks
from hoshikage.tools.thought_marks import detect as detect_thinking

__all__ = [
    "CallArguments",
    "CallStart",
    "ChatFormat",
    "Content",
    "Delta",
    "KnownFormat",
    "Reasoning",
    "Rest",
    "ThoughtMarks",
    "detect",
    "detect_thinking",
    "place_of_tools",
]
