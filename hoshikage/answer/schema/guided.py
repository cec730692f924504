"""Defines the fields by which vLLM's clients say what the answer must look like. Any thread; pure.

Each means what `response_format` or `grammar` means, with the same bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from hoshikage.answer.schema.output import ANY_OBJECT, MAX_GRAMMAR_BYTES, AnySchema, bounded, of_gbnf, of_schema
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import Grammar

MAX_CHOICES: Final = 4096

SchemaText = AnySchema | str
"""A schema may come as an object, or as its text in JSON."""
Choices = Annotated[list[str], Meta(min_length=1, max_length=MAX_CHOICES)]


class StructuredOutputs(Struct, frozen=True):
    """vLLM's newer field holds the answer to one of these."""

    json: SchemaText | None = None
    regex: str | None = None
    choice: Choices | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: Any = None


class GuidedFields(SamplingFields, frozen=True, kw_only=True):
    """These fields stand beside those that say how tokens are chosen. A field that is absent is None."""

    guided_json: SchemaText | None = None
    guided_regex: str | None = None
    guided_choice: Choices | None = None
    guided_grammar: str | None = None
    structured_outputs: StructuredOutputs | None = None


def guided(body: GuidedFields) -> tuple[Grammar, ...]:
    """Returns what these fields hold the answer to. Raises InvalidRequest, ParameterUnsupported."""
    newer = body.structured_outputs or StructuredOutputs()
    if newer.structural_tag is not None:
        place = "structured_outputs.structural_tag"
        raise ParameterUnsupported("http.unsupported_parameter", param=place, place=place)
    result = [
        *_forms("guided_", body.guided_json, body.guided_regex, body.guided_choice, body.guided_grammar),
        *_forms("structured_outputs.", newer.json, newer.regex, newer.choice, newer.grammar),
    ]
    if newer.json_object:
        result.append(of_schema(ANY_OBJECT, "structured_outputs.json_object"))
    return tuple(result)


def _forms(
    before: str, schema: SchemaText | None, regex: str | None, choices: list[str] | None, grammar: str | None
) -> Iterator[Grammar]:
    if schema is not None and schema != "":
        yield of_schema(_read(schema, f"{before}json"), f"{before}json")
    if regex:
        yield bounded(Grammar("regex", regex, f"{before}regex"), MAX_GRAMMAR_BYTES)
    if choices is not None:
        yield of_gbnf("root ::= " + " | ".join(_quoted(choices, f"{before}choice")), f"{before}choice")
    if grammar:
        yield of_gbnf(grammar, f"{before}grammar")


def _read(schema: SchemaText, place: str) -> AnySchema:
    if not isinstance(schema, str):
        return schema
    try:
        result: AnySchema = msgspec.json.decode(schema, type=AnySchema)
        return result
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise InvalidRequest(
            "http.wrong_type", param=place, place=place, expected="object | true", got="string"
        ) from None


def _quoted(choices: list[str], place: str) -> Iterator[str]:
    from hoshikage.tools import expression  # few requests choose

    for number, text in enumerate(choices):
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            where = f"{place}[{number}]"
            raise InvalidRequest("http.wrong_type", param=where, place=where, expected="text", got="\\ud800")
        yield expression.quoted(text)
