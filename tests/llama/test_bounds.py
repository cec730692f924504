"""What is too large to be compiled is refused by the name of the limit, before it is compiled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hoshikage.llama import bounds, gbnf
from hoshikage.llama.bounds import TooLarge, check_pattern, check_schema, check_text


def refused(action: Any, *given: Any) -> str:
    with pytest.raises(TooLarge) as caught:
        action(*given)
    return caught.value.limit


@pytest.fixture
def lower(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda name, most: monkeypatch.setattr(bounds, name, most)


def test_a_long_text(lower: Any) -> None:
    lower("MAX_TEXT", 4)
    check_text("1234")
    assert refused(check_text, "12345") == "max_text"


@pytest.mark.parametrize(
    ("grammar", "chain"),
    [
        ('root ::= "a"', 1),
        ("root ::= a a\na ::= b b\nb ::= [b]", 3),
        ('root ::= "a" root | "b"', 1),
        ("root ::= a\na ::= b\nb ::= a | [b]", 3),
    ],
)
def test_a_chain_of_rules(grammar: str, chain: int, lower: Any) -> None:
    lower("MAX_CHAIN", chain)
    gbnf.to_lark(grammar)
    lower("MAX_CHAIN", chain - 1)
    assert refused(gbnf.to_lark, grammar) == "max_chain"


@pytest.mark.parametrize(
    ("grammar", "size"),
    [
        ('root ::= "abc" [d-z] .', 5),
        ('root ::= "ab"{3,5}', 10),
        ("root ::= a a{2}\na ::= b{3} [x]\nb ::= [b] [c]", 21),
        ('root ::= ("a" | "b"){10} root?', 20),
        ('root ::= ("a"+)*', 1),
    ],
)
def test_what_rules_come_to(grammar: str, size: int, lower: Any) -> None:
    lower("MAX_EXPANDED", size)
    gbnf.to_lark(grammar)
    lower("MAX_EXPANDED", size - 1)
    assert refused(gbnf.to_lark, grammar) == "max_expanded"


@pytest.mark.parametrize(
    ("pattern", "size"),
    [("abc", 3), ("[a-z]{4}x", 5), ("(ab){3}", 6), ("((a{2}b){2}c)+", 7), (r"\{2\}", 3), ("a{x", 3), ("[]{9}]{2}", 2)],
)
def test_a_patterns_shape(pattern: str, size: int, lower: Any) -> None:
    lower("MAX_PATTERN_SIZE", size)
    check_pattern(pattern)
    lower("MAX_PATTERN_SIZE", size - 1)
    assert refused(check_pattern, pattern) == "max_pattern_size"


def test_a_patterns_length_and_depth(lower: Any) -> None:
    lower("MAX_PATTERN", 6)
    lower("MAX_PATTERN_DEPTH", 3)
    check_pattern("((ab))")
    assert refused(check_pattern, "((abc))") == "max_pattern"
    assert refused(check_pattern, "(((a") == "max_pattern_depth"


NESTED = {"properties": {"a": {"items": {"type": "string"}}}}
RECURSIVE = {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}


@pytest.mark.parametrize(("schema", "depth"), [(NESTED, 4), (RECURSIVE, 5)])
def test_a_schemas_depth_goes_over_references_and_not_round_in_them(
    schema: dict[str, Any], depth: int, lower: Any
) -> None:
    lower("MAX_CHAIN", depth)
    check_schema(schema)
    lower("MAX_CHAIN", depth - 1)
    assert refused(check_schema, schema) == "max_chain"


def test_what_is_merged_in_one_place(lower: Any) -> None:
    twice = {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}] * 2}, "b": {"type": "object"}}, "$ref": "#/$defs/a"}
    lower("MAX_MERGED", 6)
    check_schema(twice)
    lower("MAX_MERGED", 5)
    assert refused(check_schema, json.loads(json.dumps(twice))) == "max_merged"
    options = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    lower("MAX_MERGED", 7)
    check_schema({"allOf": [options, json.loads(json.dumps(options))]})
    lower("MAX_MERGED", 6)
    assert refused(check_schema, {"allOf": [options, json.loads(json.dumps(options))]}) == "max_merged"


def test_counts_and_patterns_of_a_schema(lower: Any) -> None:
    lower("MAX_ITEMS", 3)
    lower("MAX_PATTERN", 3)
    check_schema({"maxItems": 3, "items": {"pattern": "abc"}})
    assert refused(check_schema, {"items": {"minItems": 4}}) == "max_items"
    assert refused(check_schema, {"patternProperties": {"abcd": {}}}) == "max_pattern"


def test_as_many_parentheses_as_are_allowed() -> None:
    depth = gbnf.MAX_DEPTH
    lark = gbnf.to_lark("root ::= " + "(" * depth + '"a"' + ")" * depth)
    assert max(line.count("(") for line in lark.splitlines()) <= 2 * gbnf.APART
    with pytest.raises(gbnf.Malformed):
        gbnf.to_lark("root ::= " + "(" * (depth + 1) + '"a"' + ")" * (depth + 1))


@pytest.mark.parametrize(
    ("given", "made"), [("[a]**", "*"), ("[a]?+", "*"), ("[a]++", "+"), ("[a]+{2}", "+){2,2}"), ("[a]{2}?", "{2,2})?")]
)
def test_signs_of_repetition_behind_each_other(given: str, made: str) -> None:
    assert made in gbnf.to_lark(f"root ::= {given}").splitlines()[2]
