"""Writes llama.cpp's GBNF grammars as Lark grammars for llguidance. Pure.

llguidance reads a text as words first and as a grammar of words second, and a word takes all it can. GBNF has no words.
So a grammar without recursion becomes one word, and in one with recursion every character is a word: the same texts in
both cases, the first about thirty times faster. Left recursion is allowed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hoshikage.llama import bounds, endless

ROOT: Final = "root"
MAX_REPEAT: Final = 10_000
MAX_DEPTH: Final = 64
MAX_LEAD: Final = 16
SPACE: Final = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
SPACE_AND_LINES: Final = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
REPEAT: Final = re.compile(r"[*+?]|\{\s*(\d{1,9})\s*(?:(,)\s*(?:(\d{1,9})\s*)?)?\}")
ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([nrt\\\"\[\]^-]))")
PLAIN: Final = {"n": "\n", "r": "\r", "t": "\t"}
SIMPLE: Final = frozenset("*+?")
APART: Final = 8
"""A group that stands so many parentheses deep becomes a rule of its own."""


class Malformed(ValueError):
    """`reason` names what was expected, in GBNF's own signs."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(reason)
        self.line = text.count("\n", 0, position) + 1
        self.column = position - (text.rfind("\n", 0, position) + 1) + 1
        self.reason = reason


class TooOften(Malformed):
    """A repetition is refused: it is of more than MAX_REPEAT."""


@dataclass(frozen=True, slots=True)
class Rule:
    """This is one rule of a grammar."""

    body: str
    """The body is in Lark, with the names of other rules as {name}."""
    names: Mapping[str, int]
    """`names` has the rules that stand in the body, and how often each may come."""
    size: int
    """`size` counts the characters and classes in it, each as often as it may come."""
    first: frozenset[str] = frozenset()
    """Each of its texts begins with one of the rules of `first`."""
    needed: frozenset[str] = frozenset()
    """Each of its texts has the rules of `needed` somewhere."""


def to_lark(text: str, lead: str = "") -> str:
    """Writes the grammar in Lark; what `lead` matches may come in front, up to MAX_LEAD times.

    Raises Malformed, bounds.TooLarge, endless.Endless.
    """
    root, written = rules(text)
    lines = [f"start: LEAD{{0,{MAX_LEAD}}} {root}", f"LEAD: {lead}"] if lead else [f"start: {root}"]
    return "%llguidance {}\n" + "\n".join([*lines, *written]) + "\n"


def rules(text: str, name: str = "r") -> tuple[str, list[str]]:
    """Returns the rule of the grammar's texts in Lark, and the lines of all of them, whose names begin with `name`.
    Raises as `to_lark`."""
    met = _Parser(text).rules()
    bounds.check_rules(
        ROOT, {name: rule.names for name, rule in met.items()}, {name: rule.size for name, rule in met.items()}
    )
    endless.check_rules(
        ROOT, {name: rule.first for name, rule in met.items()}, {name: rule.needed for name, rule in met.items()}
    )
    is_recursive = endless.circle([ROOT], lambda rule: met[rule].names)
    prefix = name if is_recursive else name.upper()  # Lark tells words by their capitals
    numbers = {name: f"{prefix}{number}" for number, name in enumerate(met)}
    return numbers[ROOT], [f"{numbers[name]}: {rule.body.format_map(numbers)}" for name, rule in met.items()]


class _Parser:
    """This is a recursive descent, in the order of llama.cpp's."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._uses: Counter[str] = Counter()
        self._size = 0
        self._first: frozenset[str] = frozenset()
        """These rules begin what was read last, as in Rule.first."""
        self._needed: frozenset[str] = frozenset()
        """What was read last has these rules, as in Rule.needed."""
        self._hidden: dict[str, Rule] = {}
        self._asked: dict[str, int] = {}

    def rules(self) -> dict[str, Rule]:
        result: dict[str, Rule] = {}
        self._skip(SPACE_AND_LINES)
        while self._at < len(self._text):
            name = self._name()
            self._skip(SPACE)
            self._take("::=")
            self._skip(SPACE_AND_LINES)
            result[name] = self._rule(nested=False)
            if self._at < len(self._text) and self._text[self._at] not in "\r\n":
                raise self._malformed("name ::=")
            self._skip(SPACE_AND_LINES)
        if ROOT not in result:
            raise self._malformed("root ::=")
        for name, position in self._asked.items():
            if name not in result:
                raise Malformed(self._text, position, f"{name} ::=")
        return result | self._hidden

    def _rule(self, *, nested: bool) -> Rule:
        """Reads one rule that begins here; what was counted before goes on behind it."""
        before = self._uses, self._size
        self._uses, self._size = Counter(), 0
        body = self._alternatives(nested=nested)
        rule = Rule(body, dict(self._uses), self._size, self._first, self._needed)
        self._uses, self._size = before
        return rule

    def _apart(self) -> str:
        """Makes a group a rule of its own: llguidance takes few parentheses inside of each other."""
        name = f"#{len(self._hidden)}"  # no name that a grammar can have
        self._hidden[name] = Rule("", {}, 0)
        self._hidden[name] = self._rule(nested=True)
        self._uses[name] += 1
        self._first = self._needed = frozenset({name})
        return f"{{{name}}}"

    def _alternatives(self, *, nested: bool) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:  # the rule itself has no parentheses
            raise self._malformed(")")
        options = [self._sequence(nested)]
        first, needed = self._first, self._needed
        while self._text.startswith("|", self._at):
            self._at += 1
            self._skip(SPACE_AND_LINES)
            options.append(self._sequence(nested))
            first &= self._first
            needed &= self._needed
        self._first, self._needed = first, needed
        self._depth -= 1
        return "(" + " | ".join(options) + ")"

    def _sequence(self, nested: bool) -> str:
        space = SPACE_AND_LINES if nested else SPACE
        parts: list[str] = []
        first: frozenset[str] = frozenset()
        needed: frozenset[str] = frozenset()
        while self._at < len(self._text):
            self._first = self._needed = frozenset()
            uses, size = self._uses, self._size
            self._uses, self._size = Counter(), 0
            element = self._element()
            if element is not None:
                self._skip(space)
                element = self._repeated(element)
                self._skip(space)
            uses.update(self._uses)
            self._uses, self._size = uses, size + self._size
            if element is None:
                break
            first = first if parts else self._first
            needed |= self._needed
            parts.append(element)
        self._first, self._needed = first, needed
        return " ".join(parts) or '""'

    def _element(self) -> str | None:
        sign = self._text[self._at]
        if sign == '"':
            return self._literal()
        if sign == "[":
            return self._range()
        if sign == ".":
            self._at += 1
            self._size += 1
            return "/(?s:.)/"
        if sign == "(":
            self._at += 1
            self._skip(SPACE_AND_LINES)
            inner = self._apart() if self._depth % APART == 0 else self._alternatives(nested=True)
            self._take(")")
            return inner
        if NAME.match(self._text, self._at):
            position = self._at
            name = self._name()
            self._uses[name] += 1
            self._first = self._needed = frozenset({name})
            self._asked.setdefault(name, position)
            return f"{{{name}}}"
        return None

    def _repeated(self, element: str) -> str:
        """Returns an element with the signs of repetition behind it, of which there may be several: each is of all
        before it."""
        last = ""
        count = 0
        while sign := self._repeat():
            count += 1
            if count > MAX_DEPTH:
                raise self._malformed(")")
            if last in SIMPLE and sign in SIMPLE:
                last = sign if sign == last else "*"
            else:
                element, last = (f"({element}{last})" if last else element), sign
        return element + last

    def _repeat(self) -> str:
        result = REPEAT.match(self._text, self._at)
        if result is None:
            return ""
        self._at = result.end()
        if result[1] is None:
            if result[0] != "+":
                self._first = self._needed = frozenset()
            return result[0]
        minimum = int(result[1])
        maximum = minimum if result[2] is None else int(result[3]) if result[3] else None
        if max(minimum, maximum or 0) > MAX_REPEAT or (maximum is not None and maximum < minimum):
            kind = TooOften if max(minimum, maximum or 0) > MAX_REPEAT else Malformed
            raise kind(self._text, self._at, f"{{m,n}}, m <= n <= {MAX_REPEAT}")
        if not minimum:
            self._first = self._needed = frozenset()
        times = max(minimum, maximum or 0, 1)
        self._size *= times
        self._uses = Counter({name: count * times for name, count in self._uses.items()})
        return f"{{{{{minimum},{'' if maximum is None else maximum}}}}}"  # doubled, for str.format

    def _literal(self) -> str:
        self._at += 1
        characters = list(self._characters('"'))
        self._size += len(characters)
        return "(" + " ".join(f"/{_code(character)}/" for character in characters) + ")" if characters else '""'

    def _range(self) -> str:
        self._at += 1
        negated = self._text.startswith("^", self._at)
        self._at += negated
        items: list[str] = []
        while not self._text.startswith("]", self._at):
            first = self._character("]")
            last = first
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                last = self._character("]")
            if last < first:
                raise self._malformed("[a-z]")
            items.append(_code(first) if first == last else f"{_code(first)}-{_code(last)}")
        self._at += 1
        self._size += 1
        if not items:
            raise self._malformed("[a-z]")
        return f"/[{'^' * negated}{''.join(items)}]/"

    def _characters(self, end: str) -> Iterator[str]:
        while not self._text.startswith(end, self._at):
            yield self._character(end)
        self._at += 1

    def _character(self, end: str) -> str:
        if self._at >= len(self._text):
            raise self._malformed(end)
        sign = self._text[self._at]
        if sign != "\\":
            self._at += 1
            return sign
        result = ESCAPE.match(self._text, self._at)
        if result is None:
            raise self._malformed(r"\n \r \t \\ \" \[ \] \xFF \uFFFF \U0010FFFF")
        code = int(result[1] or result[2] or result[3] or "0", 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise self._malformed(r"\U0010FFFF")
        self._at = result.end()
        return PLAIN.get(result[4], result[4]) if result[4] else chr(code)

    def _name(self) -> str:
        result = NAME.match(self._text, self._at)
        if result is None:
            raise self._malformed("name ::=")
        self._at = result.end()
        return result[0]

    def _take(self, sign: str) -> None:
        if not self._text.startswith(sign, self._at):
            raise self._malformed(sign)
        self._at += len(sign)

    def _skip(self, space: re.Pattern[str]) -> None:
        result = space.match(self._text, self._at)
        assert result is not None
        self._at = result.end()

    def _malformed(self, reason: str) -> Malformed:
        return Malformed(self._text, self._at, reason)


def _code(character: str) -> str:
    return rf"\u{{{{{ord(character):x}}}}}"  # doubled braces, for str.format
