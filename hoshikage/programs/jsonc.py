"""Puts one value into a JSON text, comments and trailing commas allowed, and leaves every other byte as it is. Pure.

Editors' settings are written by hand: a parse and a dump would lose their comments and their order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

Step = str | tuple[str, str]
"""A step leads to a member of an object by its name; or an object in an array by one of its members, as `("name",
"Hoshikage")`."""
INDENT: Final = 2
_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PLAIN: Final = re.compile(r"[^\s,:\[\]{}\"/]+")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class _Item:
    """This is one member of an object, or one value of an array, which has no name."""

    name: str
    begin: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Block:
    """This is an object or an array: where it opens and closes, and what stands in it."""

    begin: int
    close: int
    items: tuple[_Item, ...]
    trailing: bool
    """`trailing` tells whether a comma stands behind the last item."""


def loads(text: str) -> Any:
    """Returns the value without its comments. Raises ValueError."""
    if not text[_space(text, 0) :].strip():
        return {}
    return _value(text, _space(text, 0))[0]


def put(text: str, path: Sequence[Step], value: Any) -> str:
    """Returns the text with `value` at `path`; objects and arrays on the way are made where they are missing.

    Raises ValueError for a text that is no JSON, or where something else stands on the way.
    """
    if not text[_space(text, 0) :].strip():
        text += "[]\n" if isinstance(path[0], tuple) else "{}\n"
    at = _space(text, 0)
    loads(text)  # a fault anywhere is one before anything is changed
    for depth, step in enumerate(path):
        block = _block(text, at)
        if (text[at] == "[") != isinstance(step, tuple):
            raise ValueError(f"{'/'.join(map(str, path[:depth]))}: {text[at]}")
        result = _find(text, block, step)
        if result is None:
            return _insert(text, block, step, _named(step, _wrapped(path[depth + 1 :], value)))
        if depth == len(path) - 1:
            return text[: result.value] + _shown(value, _column(text, result.begin)) + text[result.end :]
        at = result.value
    raise ValueError(path)


def _wrapped(rest: Sequence[Step], value: Any) -> Any:
    for step in reversed(rest):
        value = [_named(step, value)] if isinstance(step, tuple) else {step: value}
    return value


def _named(step: Step, value: Any) -> Any:
    """Returns an object of an array with the member by which it is found; anything else as it is."""
    return {step[0]: step[1], **value} if isinstance(step, tuple) and isinstance(value, dict) else value


def _find(text: str, block: _Block, step: Step) -> _Item | None:
    if isinstance(step, str):
        return next((item for item in block.items if item.name == step), None)
    for item in block.items:
        result = _value(text, item.value)[0]
        if isinstance(result, dict) and result.get(step[0]) == step[1]:
            return item
    return None


def _insert(text: str, block: _Block, step: Step, value: Any) -> str:
    outer = _line_indent(text, block.begin)
    inner = _column(text, block.items[0].begin) if block.items else _deeper(outer)
    name = "" if isinstance(step, tuple) else json.dumps(step, ensure_ascii=False) + ": "
    new = f"\n{inner}{name}{_shown(value, inner)}"
    if not block.items:
        kept = text[block.begin + 1 : block.close].rstrip()
        return f"{text[: block.begin + 1]}{kept}{new}\n{outer}{text[block.close :]}"
    last = block.items[-1].end
    rest = text[last : block.close]
    if block.trailing:
        head, _, tail = rest.partition(",")
        return f"{text[:last]}{head},{tail.rstrip()}{new},\n{outer}{text[block.close :]}"
    return f"{text[:last]},{rest.rstrip()}{new}\n{outer}{text[block.close :]}"


def _shown(value: Any, indent: str) -> str:
    step = "\t" if "\t" in indent else INDENT
    return json.dumps(value, ensure_ascii=False, indent=step).replace("\n", "\n" + indent)


def _deeper(indent: str) -> str:
    """Returns the indentation one level deeper, by tabs where there are some."""
    return indent + ("\t" if "\t" in indent else " " * INDENT)


def _column(text: str, at: int) -> str:
    """Returns how far an item is indented; that of its line where it is not the first of it."""
    start = text.rfind("\n", 0, at) + 1
    return text[start:at] if not text[start:at].strip() else _deeper(_line_indent(text, at))


def _line_indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _space(text: str, at: int) -> int:
    result = _SPACE.match(text, at)
    return at if result is None else result.end()


def _value(text: str, at: int) -> tuple[Any, int]:
    """Returns the value that begins there, and where it ends. Raises ValueError."""
    if text[at : at + 1] in ("{", "["):
        block = _block(text, at)
        values = [(item.name, _value(text, item.value)[0]) for item in block.items]
        return (dict(values) if text[at] == "{" else [value for _, value in values]), block.close + 1
    result = _STRING.match(text, at) if text[at : at + 1] == '"' else _PLAIN.match(text, at)
    if result is None:
        raise ValueError(f"at {at}: {text[at : at + 20]!r}")
    return _DECODER.decode(result.group()), result.end()


def _block(text: str, at: int) -> _Block:
    if text[at : at + 1] not in ("{", "["):
        raise ValueError(f"at {at}: {text[at : at + 20]!r}")
    named, close = text[at] == "{", "}" if text[at] == "{" else "]"
    items: list[_Item] = []
    begin, trailing = at, False
    at = _space(text, at + 1)
    while text[at : at + 1] != close:
        if items and not trailing:
            raise ValueError(f"at {at}: {text[at : at + 20]!r}")
        name, first = "", at
        if named:
            key, at = _value(text, at)
            at = _space(text, at)
            if not isinstance(key, str) or text[at : at + 1] != ":":
                raise ValueError(f"at {at}: {text[at : at + 20]!r}")
            name, at = key, _space(text, at + 1)
        end = _value(text, at)[1]
        items.append(_Item(name, first, at, end))
        at = _space(text, end)
        trailing = text[at : at + 1] == ","
        if trailing:
            at = _space(text, at + 1)
    return _Block(begin, at, tuple(items), trailing)
