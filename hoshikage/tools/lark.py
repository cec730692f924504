"""Writes Lark grammars of texts as GBNF of those texts in a string of JSON. Any thread; pure.

Rules and terminals, ignored ones among them, ranges, repetitions and the common terminals are taken; templates, flags
of expressions and what gives precedence are not, or change nothing about which texts there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hoshikage.tools import expression
from hoshikage.tools.expression import Unsupported

MAX_DEPTH: Final = 32
ROOT: Final = "root"
START: Final = "start"
IGNORED: Final = "ignored"
LEXEMES: Final = re.compile(
    r"""(?P<space>[ \t\f\r]+|//[^\n]*|\#[^\n]*)|(?P<line>\n)|(?P<string>"(?:[^"\\\n]|\\.)*"i?)"""
    r"""|(?P<pattern>/(?:[^/\\\n]|\\.)+/[a-z]*)|(?P<arrow>->)|(?P<range>\.\.)|(?P<word>%?[!?]{0,2}[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<number>[0-9]+)|(?P<sign>[:|()\[\]*+?~,.])"""
)
COMMON: Final = {
    "DIGIT": "[0-9]", "HEXDIGIT": "[0-9A-Fa-f]", "INT": "[0-9]+", "SIGNED_INT": "[+-]?[0-9]+",
    "DECIMAL": r"[0-9]+\.[0-9]*|\.[0-9]+",
    "FLOAT": r"[0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?",
    "SIGNED_FLOAT": r"[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)",
    "NUMBER": r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?",
    "SIGNED_NUMBER": r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?",
    "ESCAPED_STRING": r'"([^"\\\n]|\\.)*"', "LCASE_LETTER": "[a-z]", "UCASE_LETTER": "[A-Z]", "LETTER": "[A-Za-z]",
    "WORD": "[A-Za-z]+", "CNAME": "[A-Za-z_][A-Za-z0-9_]*", "WS_INLINE": r"[ \t]+", "WS": r"[ \t\f\r\n]+",
    "CR": r"\r", "LF": r"\n", "NEWLINE": r"(\r?\n)+", "SH_COMMENT": r"#[^\n]*", "CPP_COMMENT": r"//[^\n]*",
    "SQL_COMMENT": r"--[^\n]*",
}  # fmt: skip


@dataclass(slots=True)
class _Grammar:
    rules: dict[str, str] = field(default_factory=dict)
    """The rules are in GBNF, by their names there."""
    ignored: list[str] = field(default_factory=list)
    used: dict[str, None] = field(default_factory=dict)


def to_gbnf(text: str) -> dict[str, str]:
    """Returns the grammar's rules in GBNF by their names; START is where it begins. Raises Unsupported."""
    reader = _Reader(_signs(text))
    grammar = reader.grammar()
    for name in grammar.used:
        if name not in grammar.rules:
            raise Unsupported(name)
    if _named(START) not in grammar.rules:
        raise Unsupported(START)
    between = " | ".join(grammar.ignored)
    ignored = {IGNORED: f"({between})*" if between else '""'}
    return {**grammar.rules, START: f"{IGNORED} {_named(START)}", **ignored}


def of_expression(pattern: str) -> dict[str, str]:
    """Returns rules as to_gbnf does, of a regular expression. Raises Unsupported."""
    return {START: expression.to_gbnf(pattern)}


def arguments(key: str, rules: Mapping[str, str]) -> str:
    """Writes a GBNF of an object whose one value is such a text, from ROOT on: one rule a line."""
    head = _joined(("{", json.dumps(key), ":", '"'))
    lines = [f'{ROOT} ::= space {head} {START} "\\x22" space "}}"', 'space ::= " "?']
    return "\n".join([*lines, *(f"{name} ::= {body}" for name, body in rules.items())])


def _joined(texts: Iterable[str]) -> str:
    return " space ".join(map(expression.quoted, texts))


def _named(name: str) -> str:
    return f"of-{name.lstrip('?!').replace('_', '-')}"


def _signs(text: str) -> list[tuple[str, str]]:
    """Returns kinds and texts."""
    result: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        met = LEXEMES.match(text, at)
        if met is None:
            raise Unsupported(text[at])
        if met.lastgroup != "space":
            result.append((str(met.lastgroup), met[0]))
        at = met.end()
    return [*result, ("line", "\n"), ("end", "")]


class _Reader:
    def __init__(self, signs: list[tuple[str, str]]) -> None:
        self._all = signs
        self._at = 0
        self._depth = 0
        self._in_rule = True
        self._made = _Grammar()

    def grammar(self) -> _Grammar:
        while self._kind != "end":
            kind, text = self._take()
            if kind == "line":
                continue
            if kind != "word":
                raise Unsupported(text)
            if text == "%import":
                self._import()
            elif text == "%ignore":
                self._in_rule = False
                self._made.ignored.append(self._alternatives())
            elif text.startswith("%"):
                raise Unsupported(text)
            else:
                self._rule(text)
        return self._made

    @property
    def _kind(self) -> str:
        return self._all[self._at][0]

    @property
    def _text(self) -> str:
        return self._all[self._at][1]

    def _take(self) -> tuple[str, str]:
        self._at += 1
        return self._all[self._at - 1]

    def _skip(self, text: str) -> bool:
        met = self._text == text
        self._at += met
        return met

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise Unsupported(self._text)

    def _rule(self, name: str) -> None:
        if self._skip("."):
            self._take()  # its precedence
        self._expect(":")
        self._in_rule = not name.lstrip("?!_")[:1].isupper()
        if _named(name) in self._made.rules:
            raise Unsupported(name)
        self._made.rules[_named(name)] = self._alternatives()

    def _import(self) -> None:
        """Reads `%import common.NAME`, with or without another name, or `%import common (NAME, NAME)`."""
        self._expect("common")
        if self._skip("("):
            while not self._skip(")"):
                self._bring(self._take()[1])
                self._skip(",")
            return
        self._expect(".")
        name = self._take()[1]
        self._bring(name, self._take()[1] if self._skip("->") else name)

    def _bring(self, name: str, own: str | None = None) -> None:
        if name not in COMMON:
            raise Unsupported(name)
        self._made.rules[_named(own or name)] = expression.to_gbnf(COMMON[name])

    def _alternatives(self, *, nested: bool = False) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unsupported("(")
        self._lines(nested)
        self._skip("|")
        options = [self._sequence(nested)]
        while self._more(nested):
            options.append(self._sequence(nested))
        self._depth -= 1
        return "(" + " | ".join(options) + ")"

    def _lines(self, nested: bool) -> None:
        """Line breaks within a rule; at its end only those that a further alternative follows."""
        at = self._at
        while self._kind == "line":
            self._at += 1
        if not nested and self._text != "|":
            self._at = at

    def _more(self, nested: bool) -> bool:
        self._lines(nested)
        return self._skip("|")

    def _sequence(self, nested: bool) -> str:
        parts: list[str] = []
        while True:
            if nested:
                self._lines(nested)
            if self._kind in ("line", "end") or self._text in ("|", ")", "]"):
                break
            if self._kind == "arrow":
                self._at += 2
                continue
            parts.append(self._atom() + self._times())
        return " ".join(parts) or '""'

    def _atom(self) -> str:
        kind, text = self._take()
        if kind == "string":
            if self._kind == "range":
                self._take()
                first, last = _string(text), _string(self._take()[1])
                if len(first) != 1 or len(last) != 1:
                    raise Unsupported("..")
                return self._terminal(expression.chars([(ord(first), ord(last))]))
            return self._terminal(expression.literal(_string(text), any_case=text.endswith("i")))
        if kind == "pattern":
            pattern, _, flags = text[1:].rpartition("/")
            return self._terminal(expression.to_gbnf(pattern, flags))
        if kind == "word" and not text.startswith("%"):
            self._made.used[_named(text)] = None
            is_terminal = text.lstrip("?!_")[:1].isupper()
            return self._terminal(_named(text)) if is_terminal else _named(text)
        if text in ("(", "["):
            inner = self._alternatives(nested=True)
            self._lines(True)
            self._expect(")" if text == "(" else "]")
            return inner if text == "(" else f"{inner}?"
        raise Unsupported(text)

    def _terminal(self, made: str) -> str:
        """Returns a terminal with what may stand behind it, where it is used in a rule."""
        return f"({made} {IGNORED})" if self._in_rule else made

    def _times(self) -> str:
        if self._kind == "sign" and self._text in "*+?":
            return self._take()[1]
        if not self._skip("~"):
            return ""
        minimum = self._count()
        if self._kind != "range":
            return expression.repeated(minimum, "", "")
        self._take()
        return expression.repeated(minimum, ",", self._count())

    def _count(self) -> str:
        kind, text = self._take()
        if kind != "number":
            raise Unsupported(text)
        return text


def _string(text: str) -> str:
    """Returns what stands in quotes. Raises Unsupported."""
    try:
        return str(json.loads(text.removesuffix("i")))
    except ValueError:
        raise Unsupported(text[:20]) from None
