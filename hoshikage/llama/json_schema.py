"""Finds what a JSON schema must not hold because llguidance would take it and not enforce it, or take for ever. Pure.

Found by comparing some 150,000 instances of generated schemas with the `jsonschema` package. What llguidance refuses by
itself (`not`, `if`, `uniqueItems`, a oneOf whose options overlap, ...) is not repeated here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from math import prod
from typing import Any, Final

from hoshikage.llama import json_pattern
from hoshikage.params import SCHEMA_MARK

EXACT_INTEGERS: Final = 2**53
"""Larger integers go through a double in llguidance."""

MAX_STEPS: Final = 10_000
"""The values of multipleOf may come to so much: 9,973 takes 70 ms to compile, 999,983 takes 14 s."""

NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""The value of these keywords has a schema for each name."""

INSTANCES: Final = frozenset({"const", "enum", "default", "examples", "example"})
BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
OPTIONS: Final = "x-guidance"
"""This is llguidance's own keyword, which could make it lenient, or write something else than JSON."""

UNKNOWN_KEYS: Final = re.compile(r"Unimplemented keys: \[([^\]]*)")
UNKNOWN_FORMAT: Final = re.compile(r"Unknown format: (.+)")
QUOTED: Final = re.compile(r'"([^"]*)"')

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "uniqueItems": (False,),
    "unevaluatedItems": (True, {}),
    "unevaluatedProperties": (True, {}),
    "propertyNames": (True, {}, {"type": "string"}),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
}
"""Maps keywords that llguidance refuses whatever they say to values that ask for nothing."""


class Unenforceable(ValueError):
    """A strict schema asks for something that no mask can hold an answer to."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True, slots=True)
class CheckedSchema:
    """This is a schema that can be enforced, with what of the given one cannot be and was left out."""

    schema: Any
    dropped: tuple[str, ...] = ()


def checked(schema: Any, refused: Collection[str] = (), *, place: str = "schema", strict: bool = True) -> CheckedSchema:
    """Returns `schema` without what asks for nothing, and unless it is strict without what cannot be enforced.

    `refused` is what `refusals` found. A part of it may be marked (SCHEMA_MARK) with a place and a strictness of its
    own. Raises Unenforceable with the place of a keyword.
    """
    walk = _Walk(refused)
    made = walk.schema(schema, place, strict=strict)
    if walk.has_long_steps:
        walk = _Walk({*refused, "multipleOf"})
        made = walk.schema(schema, place, strict=strict)
    return CheckedSchema(made, tuple(dict.fromkeys(walk.dropped)))


def refusals(reason: str) -> frozenset[str]:
    """Returns what llguidance named in its refusal, as `checked` takes it; empty where the schema itself is wrong."""
    if match := UNKNOWN_KEYS.search(reason):
        return frozenset(QUOTED.findall(match[1]))
    if match := UNKNOWN_FORMAT.search(reason):
        return frozenset({f"format={match[1]}"})
    if reason.startswith("oneOf"):
        return frozenset({"oneOf"})
    return frozenset()


def patterns(schema: Any) -> dict[str, str]:
    """Maps the expressions of a schema to what they are as they would be enforced."""
    result: dict[str, str] = {}
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            pattern, named = node.get("pattern"), node.get("patternProperties")
            if isinstance(pattern, str) and (made := _safe(pattern)) is not None:
                result[pattern] = made
            result |= {one: one for one in (named if isinstance(named, dict) else ())}
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return result


def refusal_of(pattern: str) -> str:
    """Returns what tells `checked` that this expression cannot be enforced."""
    return f"pattern={pattern}"


class _Walk:
    def __init__(self, refused: Collection[str]) -> None:
        self._refused = refused
        self._steps: set[int] = set()
        self._combines = False
        self.dropped: list[str] = []

    @property
    def has_long_steps(self) -> bool:
        """Numbers that must be multiples of several others are multiples of their product."""
        return (prod(self._steps) if self._combines else max(self._steps, default=0)) > MAX_STEPS

    def schema(self, value: Any, place: str, *, strict: bool) -> Any:
        """Walks one schema, or whatever stands in the place of one: a reference may lead anywhere."""
        if isinstance(value, list):
            return [self.schema(item, f"{place}[{at}]", strict=strict) for at, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        mark = value.get(SCHEMA_MARK)
        if isinstance(mark, dict):
            place, strict = str(mark.get("place")), mark.get("strict") is True
        bad = self._bad(value)
        made: dict[str, Any] = {}
        for name, item in value.items():
            if name in (OPTIONS, SCHEMA_MARK) or _is_neutral(name, item):
                continue
            where = f"{place}.{name}"
            if name == "oneOf" and _excludes(item) and "anyOf" not in value:
                made["anyOf"] = self._inside("anyOf", item, where, strict=strict)
            elif name in bad:
                where = f"{where}={item}" if name == "format" else where
                if strict:
                    raise Unenforceable(where)
                self.dropped.append(where)
                if name == "oneOf" and "anyOf" not in value:
                    made["anyOf"] = self._inside("anyOf", item, where, strict=strict)
            else:
                made[name] = self._inside(name, item, where, strict=strict)
        self._note_steps(made)
        return made

    def _inside(self, name: str, value: Any, place: str, *, strict: bool) -> Any:
        if name in INSTANCES:
            return value
        if name == "pattern" and isinstance(value, str):
            return json_pattern.safe(value)
        if name in NAMED and isinstance(value, dict):
            return {key: self.schema(item, f"{place}.{key}", strict=strict) for key, item in value.items()}
        return self.schema(value, place, strict=strict)

    def _bad(self, schema: dict[str, Any]) -> set[str]:
        """Returns the keywords of one schema that would be taken and not enforced, or were refused."""
        bad = {name for name in schema if name in self._refused}
        if f"format={schema.get('format')}" in self._refused:
            bad.add("format")
        if "additionalItems" in schema and "prefixItems" in schema:  # it goes by the older draft's `items`
            bad.add("additionalItems")
        minimum = schema.get("minProperties")
        if isinstance(minimum, int) and minimum > 1 and _is_open(schema):  # it counts a name that comes twice as two
            bad.add("minProperties")
        bad.update(name for name in ("const", "enum", *BOUNDS) if _has_inexact(schema.get(name)))
        named = schema.get("patternProperties")
        if isinstance(named, dict) and not all(
            json_pattern.is_safe(one) and not self._is_refused(one) for one in named
        ):
            bad.add("patternProperties")
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and (_safe(pattern) is None or self._is_refused(pattern)):
            bad.add("pattern")
        return bad

    def _is_refused(self, pattern: str) -> bool:
        return refusal_of(pattern) in self._refused

    def _note_steps(self, schema: dict[str, Any]) -> None:
        self._combines |= "allOf" in schema or "$ref" in schema
        step = schema.get("multipleOf")
        if isinstance(step, (int, float)) and step > 0:
            digits = Decimal(str(step)).normalize().as_tuple().digits
            self._steps.add(int("".join(map(str, digits))))


def _safe(pattern: str) -> str | None:
    try:
        return json_pattern.safe(pattern)
    except json_pattern.Unsafe:
        return None


def _excludes(options: Any) -> bool:
    """Returns whether no value can be two of these options, so that one of them is any of them."""
    values: list[str] = []
    for option in options if isinstance(options, list) else ():
        if not isinstance(option, dict) or not {"const", "enum"} & option.keys():
            return False
        constants = [option["const"]] if "const" in option else option["enum"]
        values += {json.dumps(one, sort_keys=True) for one in constants} if isinstance(constants, list) else ()
    return bool(values) and len(values) == len(set(values)) and not any(map(_has_number, values))


def _has_number(text: str) -> bool:
    """1 and 1.0 are written differently and are the same."""
    return isinstance(json.loads(text), float)


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
