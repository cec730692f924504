"""Defines the fields of a request that say what the answer must look like. Any thread; pure.

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
AnySchema = Schema | bool
"""True is any JSON."""


class NamedSchema(Struct, frozen=True):
    """A schema is enforced with `strict` and without it; without, what cannot be enforced is left out and told."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    description: str | None = None
    schema: AnySchema | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True):
    """A ResponseFormat is the form that the answer has to have."""

    type: Format
    json_schema: NamedSchema | None = None
    schema: AnySchema | None = None
    """llama-server has the schema in this place."""


def grammar_of(
    response_format: ResponseFormat | None, grammar: str | None, json_schema: AnySchema | None, *others: Grammar
) -> Grammar | None:
    """Returns what the answer is held to; None for free text. `others` is what other fields hold it to. Raises
    InvalidRequest."""
    sources = [
        result
        for result in (
            None if response_format is None else _of_format(response_format),
            of_gbnf(grammar) if grammar else None,
            None if json_schema is None else of_schema(json_schema, "json_schema"),
            *others,
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
        return of_schema(
            ANY_OBJECT if response_format.schema is None else response_format.schema, "response_format.schema"
        )
    if response_format.json_schema is None and response_format.schema is None:
        raise InvalidRequest(
            "http.field_missing", param="response_format.json_schema", place="response_format.json_schema"
        )
    if response_format.json_schema is None or response_format.json_schema.schema is None:
        return of_schema({} if response_format.schema is None else response_format.schema, "response_format.schema")
    named = response_format.json_schema
    assert named.schema is not None
    return of_schema(named.schema, "response_format.json_schema.schema", strict=named.strict is True)


def of_schema(schema: AnySchema, place: str, *, strict: bool = False) -> Grammar:
    """Holds to a schema. Raises InvalidRequest for one that is too large, or that nothing fulfils."""
    if schema is False:
        raise InvalidRequest("http.wrong_type", param=place, place=place, expected="object | true", got="false")
    text = msgspec.json.encode({} if schema is True else schema).decode()
    return bounded(Grammar("json_schema", text, place, strict), MAX_SCHEMA_BYTES)


def of_gbnf(text: str, place: str = "grammar") -> Grammar:
    """Holds to a grammar. Raises InvalidRequest for one that is too large."""
    return bounded(Grammar("gbnf", text, place), MAX_GRAMMAR_BYTES)


def bounded(grammar: Grammar, limit: int) -> Grammar:
    """Returns the grammar as it is. Raises InvalidRequest where its text has more bytes."""
    if len(grammar.text.encode()) > limit:
        raise InvalidRequest("http.text_bytes", param=grammar.param, place=grammar.param, limit=limit)
    return grammar
