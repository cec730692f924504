"""What a JSON schema must not hold because llguidance would take it and not enforce it, or take for ever. Pure.

Found by comparing some 150,000 instances of generated schemas with the `jsonschema` package. What llguidance refuses by
itself (`not`, `if`, `uniqueItems`, a oneOf whose options overlap, ...) is not repeated here.
"""

from __future__ import annotations

from decimal import Decimal
from math import prod
from typing import Any, Final

from hoshikage.llama import json_pattern

EXACT_INTEGERS: Final = 2**53
"""Larger integers go through a double in llguidance."""

MAX_STEPS: Final = 10_000
"""For multipleOf: 9,973 takes 70 ms to compile, 999,983 takes 14 s."""

NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose value has a schema for each name."""

INSTANCES: Final = frozenset({"const", "enum", "default", "examples", "example"})
BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
OPTIONS: Final = "x-guidance"
"""llguidance's own keyword, which could make it lenient, or write something else than JSON."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "uniqueItems": (False,),
    "unevaluatedItems": (True, {}),
    "unevaluatedProperties": (True, {}),
    "propertyNames": (True, {}, {"type": "string"}),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
}
"""Keywords that llguidance refuses whatever they say -> values that ask for nothing."""


class Unenforceable(ValueError):
    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword


def checked(schema: Any) -> Any:
    """`schema` without what asks for nothing. Raises Unenforceable."""
    walk = _Walk()
    made = walk.schema(schema)
    walk.check_steps()
    return made


class _Walk:
    def __init__(self) -> None:
        self._steps: set[int] = set()
        self._combines = False

    def schema(self, value: Any) -> Any:
        """One schema, or whatever stands in the place of one: a reference may lead anywhere."""
        if isinstance(value, list):
            return [self.schema(item) for item in value]
        if not isinstance(value, dict):
            return value
        self._check(value)
        return {
            name: self._inside(name, item)
            for name, item in value.items()
            if name != OPTIONS and not _is_neutral(name, item)
        }

    def check_steps(self) -> None:
        """Numbers that must be multiples of several others are multiples of their product."""
        maximum = prod(self._steps) if self._combines else max(self._steps, default=0)
        if maximum > MAX_STEPS:
            raise Unenforceable("multipleOf")

    def _inside(self, name: str, value: Any) -> Any:
        if name in INSTANCES:
            return value
        if name == "pattern" and isinstance(value, str):
            return _pattern(value)
        if name in NAMED and isinstance(value, dict):
            return {key: self.schema(item) for key, item in value.items()}
        return self.schema(value)

    def _check(self, schema: dict[str, Any]) -> None:
        if "additionalItems" in schema and "prefixItems" in schema:  # it goes by the older draft's `items`
            raise Unenforceable("additionalItems")
        minimum = schema.get("minProperties")
        if isinstance(minimum, int) and minimum > 1 and _is_open(schema):  # it counts a name that comes twice as two
            raise Unenforceable("minProperties")
        for name in ("const", "enum", *BOUNDS):
            if _has_inexact(schema.get(name)):
                raise Unenforceable(name)
        named = schema.get("patternProperties")
        if isinstance(named, dict) and not all(map(json_pattern.is_safe, named)):
            raise Unenforceable("patternProperties")
        self._combines |= "allOf" in schema or "$ref" in schema
        step = schema.get("multipleOf")
        if isinstance(step, (int, float)) and step > 0:
            digits = Decimal(str(step)).normalize().as_tuple().digits
            self._steps.add(int("".join(map(str, digits))))


def _pattern(text: str) -> str:
    try:
        return json_pattern.safe(text)
    except json_pattern.Unsafe:
        raise Unenforceable("pattern") from None


def _is_open(schema: dict[str, Any]) -> bool:
    return schema.get("additionalProperties") is not False or bool(schema.get("patternProperties"))


def _is_neutral(name: str, value: Any) -> bool:
    return any(value is known or (known == value and type(known) is type(value)) for known in NEUTRAL.get(name, ()))


def _has_inexact(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_inexact, value))
    if isinstance(value, dict):
        return any(map(_has_inexact, value.values()))
    return isinstance(value, int) and abs(value) > EXACT_INTEGERS
