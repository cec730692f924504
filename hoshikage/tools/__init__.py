"""Tools, as models write them: from an answer's text to calls, and from tools to a prompt's text. Pure; no I/O."""

from hoshikage.tools import call_schema, forced, generic, lark
from hoshikage.tools.deltas import CallArguments, CallStart, Content, Delta, Reasoning, Rest
from hoshikage.tools.detect import ChatFormat, detect, place_of_tools
from hoshikage.tools.stream import AnswerParser
from hoshikage.tools.thinking import ThoughtMarks
from hoshikage.tools.thinking import detect as detect_thinking
from hoshikage.tools.tool_format import ToolFormat

__all__ = [
    "AnswerParser",
    "CallArguments",
    "CallStart",
    "ChatFormat",
    "Content",
    "Delta",
    "Reasoning",
    "Rest",
    "ThoughtMarks",
    "ToolFormat",
    "call_schema",
    "detect",
    "detect_thinking",
    "forced",
    "generic",
    "lark",
    "place_of_tools",
]
