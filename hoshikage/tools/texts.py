"""Which texts a schema takes where a format writes a text as it stands, and what else stands in its place. Pure.

A format without JSON writes a text bare, and all else as JSON; so a schema is told apart into those two. What a text
may be is an expression: {"is": text}, {"re": expression of ours}, {"pattern": expression of the schema's, "place",
"strict"}, ["and", …], ["or", …] or ["not", one].
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hoshikage.params import SCHEMA_MARK
from hoshikage.tools.call_schema import moved
from hoshikage.tools.typed import referred, types_of

Text = dict[str, Any] | list[Any]
ANY: Final[Text] = {"re": "(?s:.*)"}
ANNOTATIONS: Final = frozenset(
    {
        "$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description", "example",
        "examples", "nullable", "readOnly", "title", "writeOnly", SCHEMA_MARK,
    }
)  # fmt: skip
OF_KIND: Final = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
    "array": ("items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"),
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"),
    "boolean": (),
    "null": (),
}
"""These keywords ask something of values of one type, and nothing of others."""
KEYWORDS: Final = frozenset(("type", *(word for words in OF_KIND.values() for word in words)))
DATE: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])"
FORMATS: Final = {
    "date": DATE,
    "time": TIME,
    "date-time": f"{DATE}T{TIME}",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "ipv4": r"((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])",
    "ipv6": r"([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}",
    "email": r"[A-Za-z0-9_+\-]+(\.[A-Za-z0-9_+\-]+)*@[A-Za-z0-9]+(-[A-Za-z0-9]+)*(\.[A-Za-z0-9]+(-[A-Za-z0-9]+)*)+",
    "hostname": r"[A-Za-z0-9]{1,63}(\.[A-Za-z0-9]{1,63}){0,3}",
    "uri": r"[A-Za-z][A-Za-z0-9+.\-]*:[A-Za-z0-9._~:/?#@!$&'()*+,;=\-]+",
}
"""Each pattern takes less than what its format may be, and nothing that it may not: every month has 28 days."""
NUMBER: Final = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+\-]?[0-9]+)?"
WRITTEN: Final = {"null": "null", "boolean": "true|false", "integer": "-?(0|[1-9][0-9]*)", "number": NUMBER}
READ: Final = {
    "null": r"\s*null\s*",
    "boolean": r"\s*(?i:true|false)\s*",
    "integer": r"\s*-?(0|[1-9][0-9]*)\s*",
    "number": rf"\s*({NUMBER})\s*",
    "array": r"\s*\[(?s:.*)",
    "object": r"\s*\{(?s:.*)",
}
"""What a reader may take for a value of this type, beside texts."""
LONGEST: Final = 1000
"""A text is held to have no more characters than this; counting more takes too long."""
MAX_DEPTH: Final = 16
MAX_PARTS: Final = 2000
CHARACTERS_OF_A_PART: Final = 500


class Room:
    """A room is how much of one function's schema is looked at: what refers to a part twice makes it stand there
    twice."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        """References lead into `root`."""
        self.root = root
        self._left = MAX_PARTS
        self._copy = 1 + len(json.dumps(root)) // CHARACTERS_OF_A_PART

    def take(self, *, copies: bool = False) -> None:
        """Takes one part more, or with what all its references lead to. Raises Unwritable."""
        self._left -= self._copy if copies else 1
        if self._left < 0:
            raise Unwritable


class Unwritable(ValueError):
    """Nothing that a format writes can be held to such a schema."""


@dataclass(frozen=True, slots=True)
class Values:
    """A schema takes these values."""

    text: Text | None
    """Values that are texts have this form; None where none is a text."""
    scalars: Text | None
    """Others that may stand beside texts have this form, as JSON writes them."""
    schemas: tuple[dict[str, Any], ...]
    """All others, which are written as JSON, have these schemas."""
    kinds: frozenset[str]
    """Values of these types may come that are no texts, as a reader knows them."""

    @property
    def bare(self) -> Text:
        """Gives what is a text and will be read as one, or is one of `scalars`."""
        unlike = [self.text or ANY, *(["not", {"re": READ[kind]}] for kind in sorted(self.kinds))]
        text = unlike[0] if len(unlike) == 1 else ["and", *unlike]
        return text if self.scalars is None else ["or", text, self.scalars]


def values_of(schema: Any, room: Room, place: str, *, strict: bool) -> Values:
    """Raises Unwritable."""
    kinds = frozenset(types_of(schema, room.root)) - {"string"}
    try:
        options = list(flat(schema, room))
    except Unwritable:
        if "string" in types_of(schema, room.root):
            raise
        return Values(None, None, (as_whole(schema, room, place, strict=strict),), kinds)
    if any(kind == "any" for kind, _ in options):
        return Values(ANY, None, (), frozenset())
    texts = [one for kind, one in options if kind == "string"]
    if not texts:
        return Values(None, None, (as_whole(schema, room, place, strict=strict),), kinds)
    scalars: list[Text] = []
    schemas: list[dict[str, Any]] = []
    for kind, one in options:
        if kind in ("array", "object"):
            schemas.append(as_whole({**one, "type": kind}, room, place, strict=strict))
        elif kind != "string":
            scalars += _scalars(kind, one)
    return Values(
        _any_of([text_of(one, place, strict=strict) for one in texts]), _any_of(scalars), tuple(schemas), kinds
    )


def flat(schema: Any, room: Room, depth: int = 0) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yields what a schema takes, type by type; `any` for everything. Raises Unwritable."""
    room.take()
    if schema is True:
        schema = {}
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        raise Unwritable
    keywords = {word: value for word, value in schema.items() if word not in ANNOTATIONS}
    if not keywords:
        yield "any", {}
    elif "$ref" in keywords or "allOf" in keywords:
        (word,) = keywords if len(keywords) == 1 else ("",)
        inner = (referred(str(keywords[word]), room.root) or None) if word == "$ref" else keywords.get(word)
        if word == "allOf" and isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        yield from flat(inner, room, depth + 1)
    elif options := keywords.get("anyOf") or keywords.get("oneOf"):
        if len(keywords) > 1 or not isinstance(options, list):
            raise Unwritable
        made = [one for option in options for one in flat(option, room, depth + 1)]
        if "oneOf" in keywords and _overlap(made):
            raise Unwritable
        yield from made
    else:
        yield from _of_types(keywords)


def _overlap(options: list[tuple[str, dict[str, Any]]]) -> bool:
    """Returns whether a value may be of two of these, as far as is seen."""
    kinds = ["number" if kind == "integer" else kind for kind, _ in options]
    values = {json.dumps(one["const"], sort_keys=True) for _, one in options if "const" in one}
    return len(values) < len(options) and (len({*kinds}) < len(options) or "any" in kinds)


def _of_types(keywords: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    types = keywords.get("type")
    names = types if isinstance(types, list) else [types] if types is not None else []
    if any(name not in OF_KIND for name in names):
        raise Unwritable
    if "enum" in keywords or "const" in keywords:
        if keywords.keys() - {"type", "enum", "const"} or not isinstance(keywords.get("enum", []), list):
            raise Unwritable
        instances = [keywords["const"]] if "const" in keywords else keywords["enum"]
        if "const" in keywords and "enum" in keywords and keywords["const"] not in keywords["enum"]:
            raise Unwritable
        for value in instances:
            kind = type_of(value)
            if not names or kind in names or (kind == "integer" and "number" in names):
                yield kind, {"const": value}
        return
    if keywords.keys() - KEYWORDS or not names:
        raise Unwritable
    for name in names:
        yield name, {word: keywords[word] for word in OF_KIND[name] if word in keywords}


def type_of(value: Any) -> str:
    return next(iter(types_of({"const": value})))


def text_of(keywords: Mapping[str, Any], place: str, *, strict: bool) -> Text:
    """Makes what a text must be, of one that `flat` has found."""
    if "const" in keywords:
        return {"is": str(keywords["const"])}
    parts: list[Text] = []
    minimum, maximum = keywords.get("minLength") or 0, keywords.get("maxLength")
    if not isinstance(minimum, int) or not isinstance(maximum, int | None) or minimum > LONGEST:
        raise Unwritable
    if maximum is not None and maximum > LONGEST:
        parts.append({"left_out": f"{place}.maxLength"})
        maximum = None
    if minimum or maximum is not None:
        parts.append({"re": f"(?s:.{{{minimum},{'' if maximum is None else maximum}}})"})
    if isinstance(pattern := keywords.get("pattern"), str):
        parts.append({"pattern": pattern, "place": f"{place}.pattern", "strict": strict})
    if (name := keywords.get("format")) is not None:
        known = FORMATS.get(str(name))
        parts.append({"left_out": f"{place}.format={name}"} if known is None else {"re": known})
    return ["and", *parts] if len(parts) > 1 else parts[0] if parts else ANY


def _scalars(kind: str, keywords: Mapping[str, Any]) -> list[Text]:
    """Returns the forms of values of one kind. There is none for numbers within bounds: beside texts, only texts are
    written then."""
    if "const" in keywords:
        return [{"is": json.dumps(keywords["const"])}]
    return [] if keywords else [{"re": WRITTEN[kind]}]


def _any_of(options: list[Text]) -> Text | None:
    return ["or", *options] if len(options) > 1 else options[0] if options else None


def as_whole(schema: Any, room: Room, place: str, *, strict: bool) -> dict[str, Any]:
    """Returns a part of a schema as one of its own, with what its references lead to. Raises Unwritable."""
    made = dict(schema) if isinstance(schema, dict) else {}
    if '"$ref"' in json.dumps(made):
        room.take(copies=True)
        made = {**moved(made, "#/$defs/root"), "$defs": {"root": moved(room.root, "#/$defs/root")}}
    return {**made, SCHEMA_MARK: {"place": place, "strict": strict}}
