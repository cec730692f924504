"""Puts one value into a JSON text, comments and trailing commas allowed, and leaves every other byte as it is. Pure.

Editors' settings are written by hand: a parse and a dump would lose their comments and their order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from hoshikage.programs import lines
from hoshikage.programs.jsonc_node import JsonFault, Member, Node, parse, space

Step = str | tuple[str, str]
"""A step leads to a member of an object by its name; or an object in an array by one of its members, as `("name",
"Hoshikage")`."""
INDENT: Final = 2


def loads(text: str) -> Any:
    """Returns the value without its comments. Raises JsonFault."""
    return {} if _is_empty(text) else parse(text).value


def put(text: str, path: Sequence[Step], value: Any) -> str:
    """Returns the text with `value` at `path`; objects and arrays on the way are made where they are missing.

    Raises JsonFault for a text that is no JSON, or where something else stands on the way.
    """
    end = lines.ending(text)
    if _is_empty(text):
        text = lines.closed(text) + ("[]" if isinstance(path[0], tuple) else "{}") + end
    node = parse(text)  # a fault anywhere is one before anything is changed
    for depth, step in enumerate(path):
        opening, key = ("[", "connect.file_no_array") if isinstance(step, tuple) else ("{", "connect.file_no_object")
        if not text.startswith(opening, node.begin):
            raise JsonFault(key, text, node.begin)
        item = _find(node, step)
        if item is None:
            return _insert(text, node, step, _named(step, _wrapped(path[depth + 1 :], value)), end)
        node = item.node
        if depth == len(path) - 1:
            return text[: node.begin] + _shown(value, _column(text, item.begin), end) + text[node.end :]
    raise ValueError(path)


def _is_empty(text: str) -> bool:
    return space(text, 0) == len(text)


def _wrapped(rest: Sequence[Step], value: Any) -> Any:
    for step in reversed(rest):
        value = [_named(step, value)] if isinstance(step, tuple) else {step: value}
    return value


def _named(step: Step, value: Any) -> Any:
    """Returns an object of an array with the member by which it is found; anything else as it is."""
    return {step[0]: step[1], **value} if isinstance(step, tuple) and isinstance(value, dict) else value


def _find(node: Node, step: Step) -> Member | None:
    """Returns what is in force of that name: of an object's doubled names the last."""
    if isinstance(step, str):
        return next((item for item in reversed(node.items) if item.name == step), None)
    for item in node.items:
        value = item.node.value
        if isinstance(value, dict) and value.get(step[0]) == step[1]:
            return item
    return None


def _insert(text: str, node: Node, step: Step, value: Any, end: str) -> str:
    """Returns the text with one more item behind the last one and what is said of it in its line."""
    outer = _line_indent(text, node.begin)
    inner = _column(text, node.items[0].begin) if node.items else _deeper(outer)
    name = "" if isinstance(step, tuple) else json.dumps(step, ensure_ascii=False) + ": "
    new = f"{end}{inner}{name}{_shown(value, inner, end)}{',' if node.trailing else ''}"
    close = node.end - 1
    last = node.items[-1].node.end if node.items else node.begin + 1
    comma = "," if node.items and not node.trailing else ""
    line = lines.END.search(text, last + len(text[last:close].rstrip()), close)
    at, new = (close, f"{new}{end}{outer}") if line is None else (line.start(), new)
    return f"{text[:last]}{comma}{text[last:at]}{new}{text[at:]}"


def _shown(value: Any, indent: str, end: str) -> str:
    step = "\t" if "\t" in indent else INDENT
    return json.dumps(value, ensure_ascii=False, indent=step).replace("\n", end + indent)


def _deeper(indent: str) -> str:
    """Returns the indentation one level deeper, by tabs where there are some."""
    return indent + ("\t" if "\t" in indent else " " * INDENT)


def _column(text: str, at: int) -> str:
    """Returns how far an item is indented; that of its line where it is not the first of it."""
    before = text[lines.start(text, at) : at]
    return before if not before.strip() else _deeper(_line_indent(text, at))


def _line_indent(text: str, at: int) -> str:
    line = text[lines.start(text, at) : at]
    return line[: len(line) - len(line.lstrip())]
