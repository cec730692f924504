"""The fields of a request that say what the answer must look like. Any thread; pure.

Whether a schema or a grammar can be enforced is found out in the engine, where the grammar engine is.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from hoshikage.errors import InvalidRequest
from hoshikage.params import Grammar

MAX_SCHEMA_BYTES: Final = 256 * 1024
MAX_GRAMMAR_BYTES: Final = 64 * 1024
ANY_OBJECT: Final[dict[str, Any]] = {"type": "object"}

Format = Literal["text", "json_object", "json_schema"]
CHOICES: Final = {"response_format.type": get_args(Format)}
Schema = dict[str, Any]


class NamedSchema(Struct, frozen=True):
    """Enforced with `strict` and without it; without, what cannot be enforced is left out and told."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    description: str | None = None
    schema: Schema | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True):
    """The answer has to be of this form."""

    type: Format
    json_schema: NamedSchema | None = None
    schema: Schema | None = None
    """llama-server's place for it."""


def grammar_of(
    response_format: ResponseFormat | None, grammar: str | None, json_schema: Schema | None
) -> Grammar | None:
    """What the answer is held to; None for free text. Raises InvalidRequest."""
    sources = [
        result
        for result in (
            None if response_format is None else _of_format(response_format),
            _gbnf(grammar) if grammar else None,
            None if json_schema is None else _of_schema(json_schema, "json_schema"),
        )
        if result is not None
    ]
    if len(sources) > 1:
        raise InvalidRequest(
            "http.formats_conflict", param=sources[1].param, names=", ".join(one.param for one in sources)
        )
    return sources[0] if sources else None


def _of_format(response_format: ResponseFormat) -> Grammar | None:
    if response_format.type == "text":
        return None
    if response_format.type == "json_object":
        return _of_schema(
            ANY_OBJECT if response_format.schema is None else response_format.schema, "response_format.schema"
        )
    if response_format.json_schema is None and response_format.schema is None:
        raise InvalidRequest(
            "http.field_missing", param="response_format.json_schema", place="response_format.json_schema"
        )
    if response_format.json_schema is None or response_format.json_schema.schema is None:
        return _of_schema(response_format.schema or {}, "response_format.schema")
    named = response_format.json_schema
    return _of_schema(named.schema or {}, "response_format.json_schema.schema", strict=named.strict is True)


def _of_schema(schema: Schema, place: str, *, strict: bool = False) -> Grammar:
    return _bounded(Grammar("json_schema", msgspec.json.encode(schema).decode(), place, strict), MAX_SCHEMA_BYTES)


def _gbnf(text: str) -> Grammar:
    return _bounded(Grammar("gbnf", text, "grammar"), MAX_GRAMMAR_BYTES)


def _bounded(grammar: Grammar, limit: int) -> Grammar:
    if len(grammar.text.encode()) > limit:
        raise InvalidRequest("http.text_bytes", param=grammar.param, place=grammar.param, limit=limit)
    return grammar
