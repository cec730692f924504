"""Reads JSON that is still arriving: checked character by character, and calls written in it. Any thread; pure."""

from __future__ import annotations

import json
import re
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import NotACall, Steps, TextCursor

MAX_DEPTH: Final = 64
NAME_KEYS: Final = ("name", "tool_name", "function")
ARGUMENT_KEYS: Final = ("arguments", "parameters", "args")
OTHER_KEYS: Final = ("id", "type", "tool_call_id", "call_id")

PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]+')
WORD: Final = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
WORD_CHARACTERS: Final = re.compile(r"[A-Za-z0-9+\-.]+")
LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
HEX: Final = frozenset("0123456789abcdefABCDEF")


class JsonScanner:
    """Accepts one JSON value, as it comes. Raw control characters in strings, a habit of models, are escaped."""

    def __init__(self) -> None:
        self.done = False
        self.failed = False
        self._closers: list[str] = []
        self._expects = "value"
        self._word = ""
        self._hex = 0
        self._key = False

    def take(self, text: str) -> tuple[str, int]:
        """Takes the JSON among the first characters of `text`, and returns it with how many of them belong to it.

        Fewer than all: the value has ended (`done`), or what follows is no JSON (`failed`).
        """
        pieces: list[str] = []
        at = 0
        while at < len(text) and not self.done:
            run = self._run(text, at)
            if run:
                pieces.append(run)
                at += len(run)
                continue
            if self._word and not self._goes_on():
                break
            character = text[at]
            if not self._step(character):
                self.failed = True
                break
            control = self._expects == "string" and character < " "
            pieces.append(json.dumps(character)[1:-1] if control else character)
            at += 1
        return "".join(pieces), at

    def _run(self, text: str, at: int) -> str:
        """Returns the characters that need no looking at one by one."""
        if self._expects == "string":
            met = PLAIN.match(text, at)
            return met[0] if met else ""
        if self._expects in ("value", "first item") and (met := WORD_CHARACTERS.match(text, at)):
            self._word += met[0]
            return met[0]
        return ""

    def _goes_on(self) -> bool:
        """Ends the word that was read; whether there is more to the value."""
        self.failed = WORD.fullmatch(self._word) is None
        self._word = ""
        self._ended()
        return not self.failed and not self.done

    def _ended(self) -> None:
        """A value has ended."""
        self._expects = "more"
        self.done = not self._closers

    def _step(self, character: str) -> bool:
        expects = self._expects
        if expects == "string":
            return self._in_string(character)
        if expects == "escape":
            self._hex = 4 if character == "u" else 0
            self._expects = "hex" if self._hex else "string"
            return character in '"\\/bfnrtu'
        if expects == "hex":
            self._hex -= 1
            self._expects = "hex" if self._hex else "string"
            return character in HEX
        if character in " \t\r\n":
            return True
        if expects == "colon":
            self._expects = "value"
            return character == ":"
        if expects == "more":
            return self._after_value(character)
        return self._at_value(character)

    def _in_string(self, character: str) -> bool:
        if character == "\\":
            self._expects = "escape"
        elif character == '"' and self._key:
            self._expects, self._key = "colon", False
        elif character == '"':
            self._ended()
        return True

    def _after_value(self, character: str) -> bool:
        if character == ",":
            self._expects = "key" if self._closers[-1] == "}" else "value"
            return True
        return self._close(character)

    def _close(self, character: str) -> bool:
        if character != self._closers[-1]:
            return False
        self._closers.pop()
        self._ended()
        return True

    def _at_value(self, character: str) -> bool:
        expects = self._expects
        if character == '"':
            self._key = expects in ("key", "first key")
            self._expects = "string"
            return True
        if expects in ("first key", "first item") and character in "}]":
            return self._close(character)
        if expects in ("key", "first key") or character not in "{[" or len(self._closers) >= MAX_DEPTH:
            return False
        self._closers.append("}" if character == "{" else "]")
        self._expects = "first key" if character == "{" else "first item"
        return True


def json_pieces(cursor: TextCursor, calls: Calls | None) -> Steps[str]:
    """Reads one JSON value and passes it on as arguments of the open call, if `calls` are given.

    Returns its text. Raises NotACall, EndOfText.
    """
    scanner = JsonScanner()
    texts: list[str] = []
    while not scanner.done:
        piece, count = scanner.take(cursor.rest)
        cursor.take(count)
        if piece:
            texts.append(piece)
            if calls is not None:
                yield calls.piece(piece)
        if scanner.failed:
            raise NotACall
        if not scanner.done:
            yield from cursor.wait()
    return "".join(texts)


def json_arguments(cursor: TextCursor, calls: Calls) -> Steps[None]:
    """Reads the arguments of the open call: an object, the text of one in a string, or null. Raises NotACall,
    EndOfText."""
    yield from cursor.space()
    character = yield from cursor.peek()
    if character == "{":
        yield from json_pieces(cursor, calls)
        return
    text = yield from json_pieces(cursor, None)
    yield calls.piece(as_object(text))


def as_object(text: str) -> str:
    """Returns the JSON text of the object that `text`, itself JSON, stands for. Raises NotACall."""
    if text == "null":
        return "{}"
    if text.startswith('"'):
        text = LONE_SURROGATE.sub("\ufffd", str(json.loads(text))).strip() or "{}"
        scanner = JsonScanner()
        whole = len(text)
        text, count = scanner.take(text)
        if not scanner.done or count < whole:
            raise NotACall
    if not text.startswith("{"):
        raise NotACall
    return text


def json_call(cursor: TextCursor, calls: Calls, *, known: bool = False, inner: bool = False) -> Steps[None]:
    """Reads one call as an object with a name and arguments. `known`: only functions of the request count.

    Raises NotACall, EndOfText.
    """
    yield from cursor.expect("{")
    name: str | None = None
    held: str | None = None
    passed = nested = False
    while True:
        yield from cursor.space()
        key = yield from _string(cursor)
        yield from cursor.space()
        yield from cursor.expect(":")
        yield from cursor.space()
        character = yield from cursor.peek()
        if key == "function" and character == "{" and not inner:
            yield from json_call(cursor, calls, known=known, inner=True)
            nested = True
        elif key in NAME_KEYS and name is None and not nested:
            name = yield from _string(cursor)
            if known and name not in calls.schemas:
                raise NotACall
            if held is not None:
                whole = as_object(held)
                yield calls.start(name)
                yield calls.piece(whole)
                passed = True
        elif key in ARGUMENT_KEYS and name is not None and not passed:
            yield calls.start(name)
            yield from json_arguments(cursor, calls)
            passed = True
        elif key in ARGUMENT_KEYS and held is None and not nested and not passed:
            held = yield from json_pieces(cursor, None)
        elif key in OTHER_KEYS:
            yield from json_pieces(cursor, None)
        else:
            raise NotACall
        yield from cursor.space()
        if (yield from cursor.expect(",", "}")) == "}":
            break
    if nested:
        calls.end(cursor)
        return
    if name is None:
        raise NotACall
    if not passed:
        yield calls.start(name)
        yield calls.piece("{}")
    if not inner:
        calls.end(cursor)


def json_calls(cursor: TextCursor, calls: Calls, *, known: bool = False) -> Steps[None]:
    """Reads one call, or a list of them. Raises NotACall, EndOfText."""
    yield from cursor.space()
    if (yield from cursor.skip("[")) is None:
        yield from json_call(cursor, calls, known=known)
        return
    while True:
        yield from cursor.space()
        yield from json_call(cursor, calls, known=known)
        yield from cursor.space()
        if (yield from cursor.expect(",", "]")) == "]":
            cursor.begin()
            return


def _string(cursor: TextCursor) -> Steps[str]:
    if (yield from cursor.peek()) != '"':
        raise NotACall
    text = yield from json_pieces(cursor, None)
    return str(json.loads(text))
