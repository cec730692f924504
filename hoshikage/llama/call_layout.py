"""Writes layouts of calls (hoshikage.tools.layout) as Lark grammars for llguidance. Pure.

A text with what ends it is one word, since a word takes all it can: an expression that cannot hold its end. Values in
JSON are grammars of their own inside of the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from hoshikage.llama import bounds, endless, gbnf, json_schema

MARKS: Final = {"maybe": "?", "many": "*"}
JOINED: Final = {"and": " & ", "or": " | "}
EVERYTHING: Final = "/(?s:.*)/"


class ToolRefused(ValueError):
    """A grammar of a tool's is refused: it is too large, or leads back to itself."""

    def __init__(self, tool: str, error: gbnf.Malformed | bounds.TooLarge | endless.Endless) -> None:
        super().__init__(tool)
        self.tool = tool
        self.error = error


def to_lark(
    layout: Any,
    special: Mapping[str, int],
    value: Callable[[Any], str],
    refused: Collection[str] = (),
) -> tuple[str, tuple[str, ...]]:
    """Returns the grammar, and the places of what nobody enforces.

    `special`: control tokens that stand for their texts; `value` makes the grammar of a JSON schema; `refused` as
    json_schema.checked has it. Raises json_schema.Unenforceable, bounds.TooLarge, ToolRefused.
    """
    writer = _Writer(special, value, refused)
    lines = [f"start: {writer.node(layout['start'])}"]
    lines += [f"rule_{name}: {writer.node(node)}" for name, node in layout.get("rules", {}).items()]
    return "%llguidance {}\n" + "\n".join([*lines, *writer.lines]) + "\n", tuple(dict.fromkeys(writer.left_out))


class _Writer:
    def __init__(self, special: Mapping[str, int], value: Callable[[Any], str], refused: Collection[str]) -> None:
        self._special = special
        self._value = value
        self._refused = refused
        self.lines: list[str] = []
        self.left_out: list[str] = []

    def node(self, node: Any) -> str:
        if isinstance(node, str):
            return " ".join(self._stretches(node)) or '""'
        kind, *parts = node
        if kind == "json":
            return self._rule("j", f"%json {self._value(parts[0])}")
        if kind == "rule":
            return f"rule_{parts[0]}"
        if kind == "gbnf":
            return self._rules(*parts)
        if kind == "text":
            return self._text(*parts)
        inner = [self.node(part) for part in parts]
        return "(" + (" | " if kind == "any" else " ").join(inner) + ")" + MARKS.get(kind, "")

    def _rules(self, text: str, tool: str) -> str:
        try:
            name, lines = gbnf.rules(text, f"g{len(self.lines)}x")
        except (gbnf.Malformed, bounds.TooLarge, endless.Endless) as error:
            raise ToolRefused(tool, error) from None
        self.lines += lines
        return name

    def _rule(self, prefix: str, body: str) -> str:
        name = f"{prefix}{len(self.lines)}"
        self.lines.append(f"{name}: {body}")
        return name

    def _stretches(self, text: str) -> list[str]:
        """Writes a text as words and control tokens."""
        return [_stretch(one) for one in self._parts(text)]

    def _parts(self, text: str) -> list[str | int]:
        result: list[str | int] = []
        at = begin = 0
        known = sorted(self._special, key=len, reverse=True)
        while at < len(text):
            met = next((one for one in known if text.startswith(one, at)), None)
            if met is None:
                at += 1
                continue
            result += [text[begin:at]] if at > begin else []
            result.append(self._special[met])
            begin = at = at + len(met)
        return [*result, text[begin:]] if begin < len(text) else result

    def _text(self, before: str, text: Any, behind: str) -> str:
        """Writes a text between two others: one word, as far as no control token parts it."""
        front, back = self._parts(before), self._parts(behind)
        word = f"({self._expression(text)})"
        if front and isinstance(front[-1], str):
            word = f"{_stretch(front.pop())} {word}"
        if back and isinstance(back[0], str):
            word = f"{word} {_stretch(back.pop(0))}"
        name = self._rule("T", word)
        return " ".join((*map(_stretch, front), name, *map(_stretch, back)))

    def _expression(self, text: Any) -> str:
        if isinstance(text, list):
            kind, *parts = text
            inner = [f"({self._expression(part)})" for part in parts]
            return f"~{inner[0]}" if kind == "not" else JOINED[kind].join(inner)
        if "is" in text:
            return _quoted(text["is"])
        if "re" in text:
            return f"/{_escaped(text['re'])}/"
        if "left_out" in text:
            self.left_out.append(text["left_out"])
            return EVERYTHING
        bounds.check_pattern(text["pattern"])
        made = _anchored(text["pattern"])
        if made is None or json_schema.refusal_of(text["pattern"]) in self._refused:
            if text["strict"]:
                raise json_schema.Unenforceable(text["place"])
            self.left_out.append(text["place"])
            return EVERYTHING
        return f"/{_escaped(made)}/"


def _stretch(part: str | int) -> str:
    """Writes a text as one word, or a control token."""
    return _quoted(part) if isinstance(part, str) else f"<[{part}]>"


def _quoted(text: str) -> str:
    """Writes a text as one word."""
    return "/" + "".join(map(_sign, text)) + "/" if text else '""'


def _sign(sign: str) -> str:
    return sign if sign.isascii() and sign.isalnum() else f"\\u{{{ord(sign):x}}}"


def _escaped(expression: str) -> str:
    """Returns the expression as it stands between slashes: those in it, and line breaks, are escaped."""
    result: list[str] = []
    signs = iter(expression)
    for sign in signs:
        if sign == "\\":
            sign += next(signs, "\\")
        result.append({"/": "\\/", "\n": "\\n", "\\\n": "\\n"}.get(sign, sign))
    return "".join(result)


def _anchored(pattern: str) -> str | None:
    """Returns an expression of whole texts, in which the schema's is looked for; None for one without an end."""
    options = _options(pattern)
    if options is None:
        return None
    made: list[str] = []
    for option in options:
        front, back = "(?s:.*)", "(?s:.*)"
        if option.startswith("^"):
            front, option = "", option[1:]
        if option.endswith("$") and not is_escaped(option):
            back, option = "", option[:-1]
        made.append(f"{front}(?:{option}){back}")
    return "|".join(f"(?:{one})" for one in made)


def is_escaped(text: str) -> bool:
    """Returns whether the last sign of an expression is escaped."""
    before = text[:-1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _options(pattern: str) -> list[str] | None:
    """Returns what stands between the strokes that are in no group and no class; None where a stroke stands in one."""
    result = [""]
    depth, in_class = 0, False
    signs = iter(pattern)
    for sign in signs:
        if sign == "\\":
            following = next(signs, None)
            if following is None:
                return None
            result[-1] += sign + following
            continue
        if in_class:
            in_class = sign != "]" or result[-1].endswith(("[", "[^"))
        elif sign == "[":
            in_class = True
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "|" and not depth:
            result.append("")
            continue
        result[-1] += sign
    return result if not depth and not in_class else None
