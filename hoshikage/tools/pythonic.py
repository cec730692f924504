"""Calls written as Python: `[f(a=1, b="x"), g()]`. Any thread; pure."""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import MAX_NAME, NotACall, Steps, TextCursor
from hoshikage.tools.typed import Arguments

NAME: Final = re.compile(r"[A-Za-z_][\w.\-]*")
NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
WORD_CHARACTER: Final = re.compile(r"[\w.\-]")
MAX_NESTING: Final = 64
MAX_VALUE: Final = 1_000_000
PAIRS: Final = {"(": ")", "[": "]", "{": "}"}


def python_calls(cursor: TextCursor, calls: Calls, *, known: bool = False) -> Steps[None]:
    """Reads a list of calls with keyword arguments, or one call. `known`: only functions of the request count.

    Raises NotACall, EndOfText.
    """
    yield from cursor.space()
    listed = yield from cursor.skip("[")
    while True:
        yield from cursor.space()
        yield from python_call(cursor, calls, known=known)
        if listed is None:
            return
        yield from cursor.space()
        if (yield from cursor.expect(",", "]")) == "]":
            cursor.begin()
            return


def python_call(cursor: TextCursor, calls: Calls, *, known: bool = False, suffix: str = "") -> Steps[None]:
    """Reads `name(key=value, …)`; `suffix` is no part of the name. Raises NotACall, EndOfText."""
    name = (yield from _name(cursor)).removesuffix(suffix)
    yield from cursor.expect("(")
    if known and name not in calls.schemas:
        raise NotACall
    yield calls.start(name)
    arguments = Arguments(calls, name)
    yield from cursor.space()
    if (yield from cursor.skip(")")) is None:
        while True:
            yield from cursor.space()
            key = yield from _name(cursor)
            yield from cursor.space()
            yield from cursor.expect("=")
            text = yield from _value(cursor)
            value = _read(text)
            yield arguments.key(key)
            # A number may say more than a double holds.
            yield calls.piece(text) if NUMBER.fullmatch(text) else arguments.value(value)
            if (yield from cursor.expect(",", ")")) == ")":
                break
    yield arguments.close()
    calls.end(cursor)


def _name(cursor: TextCursor) -> Steps[str]:
    name = ""
    while WORD_CHARACTER.match((yield from cursor.peek())):
        name += cursor.take(1)
        if len(name) > MAX_NAME:
            raise NotACall
    if NAME.fullmatch(name) is None:
        raise NotACall
    return name


def _value(cursor: TextCursor) -> Steps[str]:
    """Reads the text of a value, up to the comma or bracket behind it. Raises NotACall, EndOfText."""
    closers: list[str] = []
    text: list[str] = []
    quote = ""
    while len(text) < MAX_VALUE:
        character = yield from cursor.peek()
        if not quote and not closers and character in ",)":
            return "".join(text).strip()
        text.append(cursor.take(1))
        if quote:
            if character == "\\":
                yield from cursor.peek()
                text.append(cursor.take(1))
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in PAIRS and len(closers) < MAX_NESTING:
            closers.append(PAIRS[character])
        elif (character in PAIRS) or (character in ")]}" and (not closers or closers.pop() != character)):
            raise NotACall
    raise NotACall


def _read(text: str) -> Any:
    """Reads JSON or a Python literal. Raises NotACall."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.replace("\r", "\\r").replace("\n", "\\n"))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise NotACall from None
