"""Reads a JSON text, comments and trailing commas allowed, and tells where in it each value stands. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from hoshikage.programs import lines

MAX_DEPTH: Final = 100
"""No settings are nested so deep; each level costs this process some of its stack."""
_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PLAIN: Final = re.compile(r"[^\s,:\[\]{}\"/]+")


class JsonFault(ValueError):
    """Says which text of the catalogue tells what is wrong, and where."""

    def __init__(self, key: str, text: str, at: int) -> None:
        super().__init__(key)
        self.key = key
        self.line, self.column = lines.position(text, at)


@dataclass(frozen=True, slots=True)
class Member:
    """This is what stands in an object by its name, or in an array without one."""

    name: str
    begin: int
    node: Node


@dataclass(frozen=True, slots=True)
class Node:
    """This is a value: where it begins and ends, and for an object or an array what stands in it."""

    begin: int
    end: int
    value: Any
    items: tuple[Member, ...] = ()
    trailing: bool = False
    """`trailing` tells whether a comma stands behind the last item."""


def parse(text: str) -> Node:
    """Returns the one value of the text. Raises JsonFault."""
    begin = space(text, 0)
    node = _node(text, begin, begin, 0)
    end = space(text, node.end)
    if end < len(text):
        raise JsonFault("connect.file_not_json", text, end)
    return node


def space(text: str, at: int) -> int:
    """Returns where what follows begins behind spaces and comments. Raises JsonFault for a comment without an end."""
    match = _SPACE.match(text, at)
    at = at if match is None else match.end()
    if text.startswith("/*", at):
        raise JsonFault("connect.file_unclosed", text, at)
    return at


def _node(text: str, at: int, opened: int, depth: int) -> Node:
    if text[at : at + 1] in ("{", "["):
        if depth == MAX_DEPTH:
            raise JsonFault("connect.file_too_deep", text, at)
        return _block(text, at, depth + 1)
    match = _STRING.match(text, at) if text.startswith('"', at) else _PLAIN.match(text, at)
    if match is None:
        _refuse(text, at, at if text.startswith('"', at) else opened)
    try:
        value = _DECODER.decode(match.group())
    except ValueError:
        raise JsonFault("connect.file_not_json", text, at) from None
    return Node(at, match.end(), value)


def _block(text: str, begin: int, depth: int) -> Node:
    named = text[begin] == "{"
    close = "}" if named else "]"
    items: list[Member] = []
    comma = False
    at = space(text, begin + 1)
    while not text.startswith(close, at):
        if items and not comma:
            _refuse(text, at, begin)
        name, first = "", at
        if named:
            key = _node(text, at, begin, depth)
            at = space(text, key.end)
            if not isinstance(key.value, str) or not text.startswith(":", at):
                _refuse(text, at if isinstance(key.value, str) else first, begin)
            name, at = key.value, space(text, at + 1)
        node = _node(text, at, begin, depth)
        items.append(Member(name, first, node))
        at = space(text, node.end)
        comma = text.startswith(",", at)
        if comma:
            at = space(text, at + 1)
    # of doubled names the last counts, as it does wherever JSON is read
    value = {item.name: item.node.value for item in items} if named else [item.node.value for item in items]
    return Node(begin, at + 1, value, tuple(items), comma)


def _refuse(text: str, at: int, opened: int) -> NoReturn:
    """Raises the fault that something else is needed at `at`; a text that ends there has left something open."""
    if at >= len(text) or text[opened] == '"':
        raise JsonFault("connect.file_unclosed", text, opened)
    raise JsonFault("connect.file_not_json", text, at)


def _no_number(name: str) -> NoReturn:
    """Raises for the numbers that Python's JSON has and nobody else's."""
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)
