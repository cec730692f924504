"""This is Jinja's sandbox with a bound on memory as well: what a template makes is measured before it is made. Engine
thread.

A deadline ends a template between two bytecodes, but one call into C can fill memory before it returns. So every
operation that makes text or lists is measured by its operands, and all that one rendering makes has a bound, whether
it is still alive or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from types import BuiltinMethodType
from typing import Any, Final

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TEXT: Final = 16_000_000
"""One text has so many characters at most; of a list, an item counts as ITEM of them."""
MAX_WORK: Final = 256_000_000
"""All texts that one rendering makes on the way have so many characters at most."""
MAX_SPLIT: Final = 4_000_000
"""A text that is taken to pieces, each of which is an object of its own, has so many characters at most."""
MAX_NODES: Final = 1_000_000
"""A list or object that becomes text has so many values at most: `[x, x]` in a loop doubles them without making
anything."""
MAX_OPERAND: Final = 1_000_000
MAX_WIDTH: Final = 1_000
"""A padding or an indent has at most so many characters."""
MAX_BITS: Final = 4096
"""An integer has at most so many bits."""
ITEM: Final = 8

LARGE_PERCENT_WIDTH: Final = re.compile(r"%[^a-zA-Z%]*(?:[*]|\d{4})")
LARGE_BRACE_WIDTH: Final = re.compile(r"[{][^{}:]*:[^{}]*(?:\d{4}|[{])")
WIDENING: Final = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs"})
FORMATS: Final = frozenset({"format", "format_map"})
SPLITS: Final = frozenset({"split", "rsplit", "splitlines"})
REFUSED: Final = frozenset({"translate"})
CHANGES: Final = frozenset({"append", "pop", "insert"})
"""These methods change a list by one item."""
SHOWING: Final = frozenset({"string", "tojson", "pprint", "join", "replace", "format", "escape", "e", "forceescape"})
"""Filters that make text of lists and objects."""
TEXT_FILTERS: Final = SHOWING | frozenset(
    {"trim", "length", "count", "upper", "lower", "safe", "capitalize", "title", "default", "d", "first", "last"}
    | {"indent", "center", "truncate", "wordcount", "striptags", "int", "float"}
)
"""Filters that do not take a text to pieces."""


class Environment(ImmutableSandboxedEnvironment):
    """This is the sandbox for one model's template; one rendering at a time, begun by `reset`."""

    intercepted_binops = frozenset(["*", "**", "%", "+"])

    def __init__(self) -> None:
        self._made = 0
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self._finalized,
            extensions=["jinja2.ext.loopcontrols", GenerationBlock],
        )
        self.code_generator_class = Generator
        self.filters["tojson"] = _tojson
        self.filters.update({name: self._measured(name, function) for name, function in self.filters.items()})
        del self.globals["lipsum"]

    def reset(self) -> None:
        self._made = 0

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Lets a template change lists, its own and those that it is given: each rendering has copies."""
        return (isinstance(obj, list) and attr in CHANGES) or super().is_safe_attribute(obj, attr, value)

    def concat(self, texts: Iterable[str]) -> str:
        """Joins what a macro or block has put out."""
        return self.joined(tuple(texts))

    def joined(self, values: tuple[Any, ...]) -> str:
        """Joins texts as the operator `~`."""
        texts = [str(self._finalized(value)) for value in values]
        self._charge(sum(map(len, texts)))
        return "".join(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, int) and isinstance(right, int):
            self._check_numbers(operator, left, right)
        elif operator == "**" and isinstance(right, (int, float)) and right > 64:
            raise SecurityError("operand of ** is too large")
        elif operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            self._charge(_weight(left) + _weight(right))
        elif operator == "*":
            for text, times in ((left, right), (right, left)):
                if hasattr(text, "__len__") and isinstance(times, int):
                    self._charge(_weight(text) * max(times, 0))
        elif operator == "%" and isinstance(left, (str, bytes)):
            self._check_format(left, (right,), "%", LARGE_PERCENT_WIDTH)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as in Jinja
        bare = getattr(__obj, "__wrapped__", __obj)  # Jinja wraps str.format
        owner, name = getattr(bare, "__self__", None), getattr(bare, "__name__", "")
        if isinstance(owner, str) and name in FORMATS:
            __self._check_format(owner, (*args, *kwargs.values()), "{", LARGE_BRACE_WIDTH)
        elif isinstance(__obj, BuiltinMethodType) and isinstance(owner, (str, bytes)):
            __self._check_method(owner, name, args)
            result = super().call(__context, __obj, *args, **kwargs)
            __self._charge(_weight(result))
            return result
        elif isinstance(owner, list) and name in CHANGES:
            __self._charge(ITEM * len(args))
        elif isinstance(__obj, BuiltinMethodType) and isinstance(owner, (int, float)):
            __self._check_number_method(name, (*args, *kwargs.values()))
            result = super().call(__context, __obj, *args, **kwargs)
            __self._charge(_weight(result))
            return result
        return super().call(__context, __obj, *args, **kwargs)

    def _check_number_method(self, name: str, values: tuple[Any, ...]) -> None:
        """Raises SecurityError for a method of a number whose result could be too large: `to_bytes` has its length."""
        sizes = [value for value in values if isinstance(value, int)]
        if max(sizes, default=0) > MAX_WIDTH:
            raise SecurityError(f"argument of {name} is too large")

    def _check_method(self, owner: str | bytes, name: str, args: tuple[Any, ...]) -> None:
        """Raises SecurityError for a method of a text whose result could be too large."""
        if name in REFUSED:
            raise SecurityError(f"{name} is not available")
        if name in WIDENING and any(isinstance(argument, int) and argument > MAX_WIDTH for argument in args):
            raise SecurityError(f"width of {name} is too large")
        if name in SPLITS and len(owner) > MAX_SPLIT:
            raise SecurityError(f"the text is too long for {name}")
        if name == "join" and args:
            items = [item for item in args[0] if isinstance(item, (str, bytes))]
            self._charge(sum(map(len, items)) + len(owner) * len(items))
        if name == "replace" and len(args) > 1 and isinstance(args[1], type(owner)):
            self._charge(len(owner) + owner.count(args[0]) * len(args[1]))

    def _check_format(
        self, text: str | bytes, values: tuple[Any, ...], place: str, large_width: re.Pattern[str]
    ) -> None:
        shown = text if isinstance(text, str) else text.decode("latin-1")
        if large_width.search(shown):
            raise SecurityError("width in a format is too large")
        self._charge(len(text) + shown.count(place) * max((self._shown_size(value)[0] for value in values), default=0))

    def _check_numbers(self, operator: str, left: int, right: int) -> None:
        if operator == "**" and (right > 64 or abs(left) > MAX_OPERAND):
            raise SecurityError("operand of ** is too large")
        if left.bit_length() + right.bit_length() > MAX_BITS:
            raise SecurityError(f"operand of {operator} is too large")

    def _finalized(self, value: Any) -> Any:
        """What is put out becomes text right after this."""
        if isinstance(value, (list, tuple, dict)):
            self._charge(self._shown_size(value)[0])
        return value

    def _shown_size(self, value: Any) -> tuple[int, int]:
        """Returns about how many characters a value has as text, and how deep it goes."""
        size = deepest = visited = 0
        pending = [(value, 1)]
        while pending:
            item, depth = pending.pop()
            visited += 1
            if visited > MAX_NODES:
                raise SecurityError("the value has too many parts")
            size += len(item) + 2 if isinstance(item, (str, bytes)) else 8
            deepest = max(deepest, depth)
            if isinstance(item, dict):
                pending.extend((part, depth + 1) for pair in item.items() for part in pair)
            elif isinstance(item, (list, tuple)):
                pending.extend((part, depth + 1) for part in item)
        return size, deepest

    def _measured(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps the filter, with its operands and its result measured."""

        @wraps(function)  # keeps what Jinja notes on a filter, as that it wants the environment
        def measured(*args: Any, **kwargs: Any) -> Any:
            if name == "tojson":  # what `map` makes is no list yet
                args = tuple(list(value) if isinstance(value, Iterator) else value for value in args)
            for value in (*args, *kwargs.values()):
                if isinstance(value, (str, bytes)) and len(value) > MAX_SPLIT and name not in TEXT_FILTERS:
                    raise SecurityError(f"the text is too long for {name}")
                if isinstance(value, (list, tuple, dict)) and name in SHOWING:
                    size, depth = self._shown_size(value)
                    indent = kwargs.get("indent", next((x for x in args if type(x) is int), 0)) or 0
                    self._charge(size * max(1, depth * indent if isinstance(indent, int) else 1))
            self._check_filter(name, args, kwargs)
            result = function(*args, **kwargs)
            self._charge(_weight(result))
            return result

        return measured

    def _check_filter(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        texts = [value for value in (*args, *kwargs.values()) if isinstance(value, str)]
        numbers = [value for value in (*args, *kwargs.values()) if type(value) is int]
        if name in ("center", "indent", "batch", "slice", "wordwrap", "tojson") and max(numbers, default=0) > MAX_WIDTH:
            raise SecurityError(f"width of {name} is too large")
        if name == "indent" and texts:
            width = max([*numbers, *(len(text) for text in texts[1:])], default=4)
            self._charge(len(texts[0]) + (texts[0].count("\n") + 1) * width)
        elif name == "replace" and len(texts) > 2:
            self._charge(len(texts[0]) + texts[0].count(texts[1]) * len(texts[2]))
        elif name == "join":
            lists = [value for value in args if isinstance(value, (list, tuple))]
            self._charge(sum(map(len, lists)) * max(map(len, texts), default=0))
        elif name == "format" and texts:
            self._check_format(texts[0], (*args[1:], *kwargs.values()), "%", LARGE_PERCENT_WIDTH)

    def _charge(self, size: int) -> None:
        self._made += size
        if size > MAX_TEXT or self._made > MAX_WORK:
            raise SecurityError("the template makes too much text")


class Generator(CodeGenerator):
    """Writes `~` as a call of the environment, which measures it."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        self.write("environment.joined((")
        for operand in node.nodes:
            self.visit(operand, frame)
            self.write(", ")
        self.write("))")


class GenerationBlock(Extension):
    """Hugging Face's {% generation %} marks what the assistant said, for training; here it is its content alone.

    It is a block with a scope of its own, as there.
    """

    tags = {"generation"}  # noqa: RUF012 - Jinja's own declaration

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller: Callable[[], str]) -> str:
        return caller()


def _weight(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return len(value)
    return ITEM * len(value) if isinstance(value, (list, tuple, dict, set)) else 0


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Returns the value as JSON, as transformers' chat templates have it: no HTML escapes, no ASCII escapes."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
