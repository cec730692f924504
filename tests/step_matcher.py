"""Matches regular expressions and counts the steps: backtracking, in the order of Python's own. Pure.

Python's own tells nobody how far it went, and a clock would measure the machine. The tree is the one that Python's
parser makes, so that both read an expression alike; `tests/test_expressions.py` compares what they find.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

Test = Callable[[str], bool]
CATEGORIES: Final[dict[str, Test]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda sign: sign.isalnum() or sign == "_",
}
MAX_TIMES: Final = 4
"""This is for `lowered`: what a bound is makes no difference to how the work grows."""


class TooManySteps(Exception):
    """The text was given up."""


@dataclass(slots=True)
class Counter:
    maximum: int
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps > self.maximum:
            raise TooManySteps


@dataclass(slots=True)
class Matcher:
    """With `lowered`, counts of repetition above MAX_TIMES are that."""

    pattern: re.Pattern[str]
    lowered: bool = True
    _code: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        tree = parser.parse(self.pattern.pattern, self.pattern.flags & ~re.DEBUG)
        self._sequence(tree, self.pattern.flags, self._code)
        self._code.append(("end",))

    def found(self, text: str, counter: Counter, *, anchored: bool, whole: bool = False) -> list[tuple[int, int]]:
        """Finds where it matches, as `finditer` goes on; at the beginning alone where `anchored`."""
        spans: list[tuple[int, int]] = []
        at = 0
        while at <= len(text):
            end = self._run(self._code, text, at, counter, whole=whole)
            if end is not None:
                spans.append((at, end))
                at = max(end, at + 1)
            else:
                at += 1
            if anchored:
                break
        return spans

    def _run(
        self, code: list[tuple[Any, ...]], text: str, start: int, counter: Counter, *, whole: bool = False
    ) -> int | None:
        stack = [(0, start)]
        while stack:
            place, at = stack.pop()
            while True:
                counter.step()
                step = code[place]
                kind = step[0]
                place += 1
                if kind == "end":
                    if whole and at != len(text):
                        break
                    return at
                if kind == "sign":
                    if at == len(text) or not step[1](text[at]):
                        break
                    at += 1
                elif kind == "split":
                    stack.append((step[2], at))
                    place = step[1]
                elif kind == "jump":
                    place = step[1]
                elif kind == "at":
                    if not step[1](text, at):
                        break
                else:
                    _, inner, behind, wanted = step
                    met = at - behind >= 0 and self._run(inner, text, at - behind, counter) is not None
                    if met != wanted:
                        break
        return None

    def _sequence(self, tree: Any, flags: int, code: list[tuple[Any, ...]]) -> None:
        for operator, argument in tree:
            self._one(str(operator), argument, flags, code)

    def _one(self, name: str, argument: Any, flags: int, code: list[tuple[Any, ...]]) -> None:
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            code.append(("sign", test_of(name, argument, flags)))
        elif name == "SUBPATTERN":
            _, added, removed, inner = argument
            self._sequence(inner, (flags | added) & ~removed, code)
        elif name == "BRANCH":
            ends = []
            for branch in argument[1][:-1]:
                split = len(code)
                code.append(())
                self._sequence(branch, flags, code)
                ends.append(len(code))
                code.append(())
                code[split] = ("split", split + 1, len(code))
            self._sequence(argument[1][-1], flags, code)
            for end in ends:
                code[end] = ("jump", len(code))
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            self._repeat(name, argument, flags, code)
        elif name == "AT":
            code.append(("at", place_of(str(argument), flags)))
        elif name in ("ASSERT", "ASSERT_NOT"):
            direction, inner = argument
            made: list[tuple[Any, ...]] = []
            self._sequence(inner, flags, made)
            made.append(("end",))
            code.append(("look", made, inner.getwidth()[0] if direction < 0 else 0, name == "ASSERT"))
        else:
            raise NotImplementedError(name)

    def _repeat(self, name: str, argument: Any, flags: int, code: list[tuple[Any, ...]]) -> None:
        minimum, maximum, inner = int(argument[0]), argument[1], argument[2]
        endless = str(maximum) == "MAXREPEAT"
        if endless and not inner.getwidth()[0]:
            raise NotImplementedError("a loop over nothing")
        maximum = minimum if endless else int(maximum)
        if self.lowered:
            minimum, maximum = min(minimum, MAX_TIMES), min(maximum, MAX_TIMES)
        for _ in range(minimum):
            self._sequence(inner, flags, code)
        skips = []
        for _ in range(1 if endless else maximum - minimum):
            split = len(code)
            skips.append(split)
            code.append(())
            self._sequence(inner, flags, code)
            if endless:
                code.append(("jump", split))
        for split in skips:
            ways = (split + 1, len(code))
            code[split] = ("split", *(ways if name == "MAX_REPEAT" else reversed(ways)))


def test_of(name: str, argument: Any, flags: int) -> Test:
    """Returns a test of whether one character is met."""
    folds = bool(flags & re.IGNORECASE)
    if name == "ANY":
        return (lambda _: True) if flags & re.DOTALL else lambda sign: sign != "\n"
    if name != "IN":
        wanted, literal = chr(argument), name == "LITERAL"
        return lambda sign: (sign == wanted or (folds and sign.lower() == wanted.lower())) == literal
    negated = bool(argument) and str(argument[0][0]) == "NEGATE"
    tests = [_item(str(operator), value) for operator, value in argument[int(negated) :]]

    def met(sign: str) -> bool:
        signs = {sign, sign.lower(), sign.upper()} if folds else {sign}
        return any(test(one) for test in tests for one in signs if len(one) == 1) != negated

    return met


def _item(name: str, value: Any) -> Test:
    if name == "LITERAL":
        return lambda sign: ord(sign) == value
    if name == "RANGE":
        return lambda sign: value[0] <= ord(sign) <= value[1]
    kind = str(value)
    if kind.startswith("CATEGORY_NOT_"):
        inner = CATEGORIES[kind.replace("NOT_", "")]
        return lambda sign: not inner(sign)
    return CATEGORIES[kind]


def place_of(kind: str, flags: int) -> Callable[[str, int], bool]:
    word = CATEGORIES["CATEGORY_WORD"]

    def border(text: str, at: int) -> bool:
        return (at > 0 and word(text[at - 1])) != (at < len(text) and word(text[at]))

    lines = bool(flags & re.MULTILINE)
    return {
        "AT_BEGINNING": lambda text, at: at == 0 or (lines and text[at - 1] == "\n"),
        "AT_BEGINNING_STRING": lambda _, at: at == 0,
        "AT_END": lambda text, at: text[at:] in ("", "\n") or (lines and text[at : at + 1] == "\n"),
        "AT_END_STRING": lambda text, at: at == len(text),
        "AT_BOUNDARY": border,
        "AT_NON_BOUNDARY": lambda text, at: not border(text, at),
    }[kind]


# Texts that make an expression work


def pieces(tree: Any) -> Iterator[str]:
    """Yields what it speaks of: its runs of letters, and a sign or two of each of its classes."""
    run = ""
    for operator, argument in tree:
        name = str(operator)
        if name == "LITERAL":
            run += chr(argument)
            continue
        if run:
            yield run
            run = ""
        if name == "IN":
            yield from _of_class(argument)
        elif name == "NOT_LITERAL":
            yield chr(argument)
        elif name == "SUBPATTERN":
            yield from pieces(argument[3])
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from pieces(branch)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            yield from pieces(argument[2])
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from pieces(argument[1])
    if run:
        yield run


def _of_class(items: Any) -> Iterator[str]:
    for operator, value in items:
        name = str(operator)
        if name == "LITERAL":
            yield chr(value)
        elif name == "RANGE":
            yield chr(value[0])
        elif name == "CATEGORY":
            yield {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}.get(str(value).replace("NOT_", ""), "w")


def beginnings(tree: Any) -> list[str]:
    """Texts that it meets up to some point: a word of it, cut behind each of its parts."""
    word, made = "", [""]
    for part in _word(tree):
        word += part
        made.append(word)
    return made


def _word(tree: Any) -> Iterator[str]:
    for operator, argument in tree:
        name = str(operator)
        if name == "SUBPATTERN":
            yield from _word(argument[3])
        elif name == "BRANCH":
            yield from _word(argument[1][0])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            yield from _word(argument[2])
        elif name not in ("ASSERT", "ASSERT_NOT", "AT"):
            yield next(iter(pieces([(operator, argument)])), "a")


def shapes(pattern: re.Pattern[str], maximum: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Lists beginnings, what is repeated behind them, and ends."""
    dice = random.Random(seed)
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    spoken = list(dict.fromkeys(pieces(tree)))
    begins = beginnings(tree)
    signs = [*spoken, *dict.fromkeys("".join(spoken)), " ", "a", "1", "\x00"]
    pumps = [*spoken, "".join(spoken), *(first + second for first in spoken for second in spoken)]
    dice.shuffle(pumps)
    made = [("", pump, end) for pump in [*spoken, *pumps][: maximum // 8] for end in ("", "\x00")]
    singles = [(begin, sign, "\x00") for begin in begins for sign in dict.fromkeys("".join(spoken) + " ")]
    dice.shuffle(singles)
    made += singles[: maximum // 2]
    while len(made) < maximum:
        begin = dice.choice(begins)
        made.append((begin, "".join(dice.choice(signs) for _ in range(1 + dice.randrange(3))), dice.choice(signs)))
    return made[:maximum]
