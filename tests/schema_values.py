"""Makes JSON values that fit a schema of /openapi.json, and values that just miss it: random, and the same for one
seed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from jsonschema import Draft202012Validator

Schema = dict[str, Any]
Place = tuple[Any, str | int]
"""A place is a container and the name or index of one of its values."""

TEXTS: Final = (
    "",
    "a",
    "星影",
    "Hello, world.",
    "<|im_start|>system\n",
    "\0",
    "\u202e\u0301e\ufeff",
    "😀\u200d🌟",
    "{{ raise }} {% for %}",
    "../../etc/passwd",
    "null",
    '"}]',
    " " * 40,
    "x" * 300,
    "長" * 500,
)
NAMES: Final = ("a", "weather", "A-1_b", "x" * 64, "0")
NUMBERS: Final = (0, 1, -1, 2, 7, 255, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, -(2**63), 2**64 - 1)
WRONG: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    "",
    "wrong",
    [],
    {},
    [None],
    {"a": 1},
    [[]],
    "長" * 5000,
    -(10**9),
    10**9,
)
SPREADS: Final = (0.02, 0.1, 0.3)
"""A field that may be absent is there so often: each value has one of these."""
HINTED: Final = 0.9
DEEP: Final = 6


class Values:
    """Makes values for the schemas of one document. `hints`: name of a field -> texts to prefer for it."""

    def __init__(self, document: Schema, seed: int, hints: Mapping[str, tuple[Any, ...]]) -> None:
        self._components: Schema = document["components"]
        self._random = random.Random(seed)
        self._hints = hints
        self._spread = SPREADS[0]
        self._validators: dict[str, Draft202012Validator] = {}

    def fitting(self, schema: Schema) -> Any:
        """Makes a value that the schema allows."""
        for _ in range(50):
            self._spread = self._random.choice(SPREADS)
            value = self._value(schema, 0, "")
            if self._fits(schema, value):
                return value
        raise AssertionError(f"no value found for {schema}")

    def missing(self, schema: Schema) -> Any:
        """Makes a value that it does not allow, mostly by one thing that is wrong."""
        while True:
            value = deepcopy(self.fitting(schema))
            places = list(_places(value))
            if not places or self._random.random() < 0.05:
                value = self._random.choice(WRONG)
            else:
                container, name = self._random.choice(places)
                if self._random.random() < 0.15:
                    del container[name]
                else:
                    container[name] = self._random.choice(WRONG)
            if not self._fits(schema, value):
                return value

    def resolved(self, schema: Schema) -> Schema:
        """Returns the object's own schema behind a reference, or behind one that is narrowed."""
        while "$ref" in schema or "allOf" in schema:
            schema = schema["allOf"][0] if "allOf" in schema else self._referred(schema["$ref"])
        return schema

    def maybe(self) -> bool:
        return self._random.random() < 0.5

    def text(self) -> str:
        return self._random.choice(TEXTS)

    def _fits(self, schema: Schema, value: Any) -> bool:
        key = repr(schema)
        if key not in self._validators:
            self._validators[key] = Draft202012Validator({**schema, "components": self._components})
        return bool(self._validators[key].is_valid(value))

    def _value(self, schema: Schema, depth: int, field: str) -> Any:
        dice = self._random
        if ref := schema.get("$ref"):
            return self._value(self._referred(ref), depth, field)
        if parts := schema.get("allOf"):
            needed = [name for part in parts for name in part.get("required", ())]
            return self._value(self._with(parts[0], needed), depth, field)
        if choices := schema.get("anyOf"):
            real = [one for one in choices if one.get("type") != "null"]
            return self._value(dice.choice(real if field in self._hints else choices), depth, field)
        hints = self._hints.get(field, ()) if dice.random() < HINTED else ()
        if "enum" in schema:
            return dice.choice([one for one in hints if one in schema["enum"]] or schema["enum"])
        kind = schema.get("type")
        if kind == "string" and hints:
            return dice.choice(hints)
        if isinstance(kind, list):
            kind = dice.choice(kind)
        return getattr(self, f"_{kind or 'any'}")(schema, depth)

    def _with(self, schema: Schema, needed: list[str]) -> Schema:
        whole = self._referred(schema["$ref"])
        return {**whole, "required": [*whole.get("required", ()), *needed]}

    def _referred(self, ref: str) -> Schema:
        found: Schema = self._components["schemas"][ref.rpartition("/")[2]]
        return found

    def _object(self, schema: Schema, depth: int) -> Any:
        fields, required = schema.get("properties", {}), schema.get("required", ())
        made = {
            name: self._value(field, depth + 1, name)
            for name, field in fields.items()
            if name in required
            or (name in self._hints and self._random.random() < HINTED)
            or (depth < DEEP and self._random.random() < self._spread)
        }
        inner = schema.get("additionalProperties")
        if not fields and schema.get("maxProperties") != 0 and depth < DEEP:
            for _ in range(self._random.choice((0, 0, 1, 2))):
                named = self._random.choice((*NAMES, "0", "17", "星"))
                made[named] = self._value(inner if isinstance(inner, dict) else {}, depth + 1, "")
        return made

    def _array(self, schema: Schema, depth: int) -> Any:
        minimum, maximum = schema.get("minItems", 0), schema.get("maxItems", 4)
        count = min(maximum, max(minimum, self._random.choice((0, 1, 1, 2, 4)) if depth < DEEP else 0))
        return [self._value(schema.get("items", {}), depth + 1, "") for _ in range(count)]

    def _string(self, schema: Schema, _depth: int) -> str:
        if pattern := schema.get("pattern"):
            return self._random.choice([name for name in (*NAMES, "3,1", "a=CPU") if re.search(pattern, name)])
        text = self.text()
        minimum, maximum = schema.get("minLength", 0), schema.get("maxLength", len(text))
        return (text or "a" * minimum)[:maximum]

    def _integer(self, schema: Schema, _depth: int) -> int:
        minimum, maximum = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
        return int(self._random.choice([minimum, maximum, *(one for one in NUMBERS if minimum <= one <= maximum)]))

    def _number(self, schema: Schema, _depth: int) -> float:
        minimum = schema.get("minimum", schema.get("exclusiveMinimum", -1e6) + 1e-6)
        maximum = schema.get("maximum", 1e6)
        return float(self._random.choice((minimum, maximum, self._random.uniform(minimum, maximum))))

    def _boolean(self, _schema: Schema, _depth: int) -> bool:
        return self._random.random() < 0.5

    def _null(self, _schema: Schema, _depth: int) -> None:
        return None

    def _any(self, _schema: Schema, _depth: int) -> Any:
        return self._random.choice((*WRONG, "text", {"type": "string"}, {"type": "object", "properties": {}}))


def _places(value: Any) -> Iterator[Place]:
    """Yields every value inside, that of free objects included."""
    inside: Iterator[tuple[Any, Any]]
    if isinstance(value, dict):
        inside = iter(list(value.items()))
    elif isinstance(value, list):
        inside = iter(list(enumerate(value)))
    else:
        return
    for name, one in inside:
        yield value, name
        yield from _places(one)
