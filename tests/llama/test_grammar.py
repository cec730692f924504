"""Tests grammars over the built-in model's vocabulary: what is taken, what is refused, and how long that may take."""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any

import pytest

from hoshikage.errors import InvalidRequest, NotSupported
from hoshikage.llama import bounds
from hoshikage.llama.grammar import Grammars, Matcher
from hoshikage.llama.json_schema import Unenforceable, checked
from hoshikage.llama.model import Model
from hoshikage.params import Grammar
from hoshikage.tools import call_schema, forced

LONGEST_S = 5.0
"""To compile or to refuse anything may take so many seconds."""


@pytest.fixture(scope="module")
def grammars(model: Model) -> Grammars:
    return Grammars(model.vocab)


def compiled(grammars: Grammars, schema: Any) -> Matcher:
    return grammars.compile(Grammar("json_schema", json.dumps(schema), "json_schema"), (2,))


def takes(model: Model, matcher: Matcher, text: str) -> bool:
    """Returns whether the grammar takes the whole text, token by token, and then lets it end."""
    follower = matcher.again()
    for token in model.vocab.tokenize(text, parse_special=False):
        if follower.complete or not follower.mask()[token]:
            return False
        follower.accept(token)
    return bool(follower.complete or follower.mask()[2])


ENTRY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "n": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("text", ['{"name":"星影"}', '{"name": "a", "n": 12}', '{\n  "name": "\\n"\n}'])
def test_instances_are_taken(model: Model, grammars: Grammars, text: str) -> None:
    assert takes(model, compiled(grammars, ENTRY), text)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"n":1}', '{"name":"a"', '{"name":"a","x":1}', '{"name":"a","n":-1}', "text", '{"name":"a"} x']
)
def test_other_texts_are_not(model: Model, grammars: Grammars, text: str) -> None:
    assert not takes(model, compiled(grammars, ENTRY), text)


def test_the_end_may_come_only_where_the_grammar_is_fulfilled(model: Model, grammars: Grammars) -> None:
    matcher = grammars.compile(Grammar("gbnf", 'root ::= "ab"?', "grammar"), (2, 3))
    first, *_ = model.vocab.tokenize("a", parse_special=False)
    assert list(matcher.mask()[[2, 3]]) == [True, True]
    matcher.accept(first)
    assert list(matcher.mask()[[2, 3]]) == [False, False]
    again = matcher.again()
    assert list(again.mask()[[2, 3]]) == [True, True]


@pytest.mark.parametrize("pattern", [r"\d+/[a-c]", r"^\d+/[a-c]$", r"\d+\/[a-c]"])
def test_an_expression_holds_the_whole_text(model: Model, grammars: Grammars, pattern: str) -> None:
    matcher = grammars.compile(Grammar("regex", pattern, "guided_regex"), (2,))
    assert takes(model, matcher, "12/a")
    for other in ("12/", "12/d", " 12/a", "12/a ", '"12/a"'):
        assert not takes(model, matcher, other), other


def test_an_expression_behind_thoughts_may_have_space_in_front(model: Model, grammars: Grammars) -> None:
    matcher = grammars.compile(Grammar("regex", "a|b\nc", "guided_regex"), (2,), led=True)
    for text in ("a", "\n\na", " b\nc"):
        assert takes(model, matcher, text), text
    assert not takes(model, matcher, "\n\nc")


def test_a_dollar_that_is_escaped_is_no_anchor(model: Model, grammars: Grammars) -> None:
    matcher = grammars.compile(Grammar("regex", r"\d\$", "guided_regex"), (2,))
    assert takes(model, matcher, "1$")
    assert not takes(model, matcher, "1")


@pytest.mark.parametrize("pattern", ["(a", "(?=a)b", r"(a)\1", r"a\bb"])
def test_an_expression_that_cannot_be_enforced_is_refused(grammars: Grammars, pattern: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("regex", pattern, "guided_regex"), (2,))
    assert refused.value.param == "guided_regex"


NESTED = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "array", "items": {}}}}}


@pytest.mark.parametrize(
    ("limit", "most", "kind", "content"),
    [
        ("MAX_TEXT", 20, "gbnf", 'root ::= "aaaaaaaaaaaaaaa"'),
        ("MAX_TEXT", 20, "json_schema", {"const": "aaaaaaaaaaaaaaa"}),
        ("MAX_CHAIN", 3, "gbnf", 'root ::= a\na ::= b\nb ::= c\nc ::= "x"'),
        ("MAX_CHAIN", 3, "json_schema", NESTED),
        ("MAX_EXPANDED", 50, "gbnf", 'root ::= a{10}\na ::= "abcdefgh"'),
        ("MAX_PATTERN", 5, "json_schema", {"type": "string", "pattern": "abcdef"}),
        ("MAX_PATTERN", 5, "regex", "abcdef"),
        ("MAX_PATTERN_SIZE", 50, "regex", "(a{10}){10}"),
        ("MAX_PATTERN_DEPTH", 3, "json_schema", {"type": "string", "pattern": "((((a))))"}),
        ("MAX_PATTERN_SIZE", 50, "json_schema", {"type": "string", "pattern": "(a{10}){10}"}),
        ("MAX_MERGED", 5, "json_schema", {"allOf": [{"anyOf": [{"type": "null"}] * 3}] * 2}),
        ("MAX_ITEMS", 10, "json_schema", {"type": "array", "maxItems": 11}),
    ],
)
def test_what_is_beyond_a_bound_is_a_400_that_names_it(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, kind: Any, content: Any
) -> None:
    text = content if kind in ("gbnf", "regex") else json.dumps(content)
    assert grammars.compile(Grammar(kind, text, "grammar"), ()), "with the usual bounds it is none"
    monkeypatch.setattr(bounds, limit, most)
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar(kind, text, "grammar"), ())
    assert (refused.value.status, refused.value.param) == (400, "grammar")
    assert refused.value.key == "engine.grammar_too_large"
    assert refused.value.details == {"limit": limit.lower(), "most": most}


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"not": {}}, "not"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"if": {}, "then": {}}, "if"),
        ({"type": "array", "contains": {}}, "contains"),
        ({"type": "object", "propertyNames": {"maxLength": 3}}, "propertyNames"),
        ({"type": "object", "minProperties": 2}, "minProperties"),
        ({"type": "array", "prefixItems": [{}], "additionalItems": False}, "additionalItems"),
        ({"enum": [2**53 + 1]}, "enum"),
        ({"const": {"a": [10**19]}}, "const"),
        ({"type": "integer", "minimum": 2**60}, "minimum"),
        ({"type": "integer", "multipleOf": 999_983}, "multipleOf"),
        ({"allOf": [{"multipleOf": 97}, {"multipleOf": 89}, {"multipleOf": 83}]}, "multipleOf"),
        ({"type": "number", "not": {}, "x-guidance": {"lenient": True}}, "not"),
        ({"properties": {"not": {"properties": {"x": {"not": {}}}}}}, "not"),
        ({"type": "string", "pattern": "(?=a)"}, "pattern"),
        ({"type": "string", "pattern": "("}, "pattern"),
        ({"type": "string", "format": "nonsense"}, "nonsense"),
        ({"type": "nonsense"}, "nonsense"),
        ({"type": 5}, "type"),
        ({"properties": []}, "properties"),
        ({"required": "a"}, "required"),
        ({"enum": []}, "anyOf is empty"),
        ({"$ref": "#/nowhere"}, "/nowhere"),
        ({"$ref": "http://127.0.0.1:1/schema.json"}, "http://127.0.0.1:1/schema.json"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
    ],
)
def test_what_cannot_be_enforced_is_refused_with_its_name(grammars: Grammars, schema: Any, named: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(InvalidRequest) as refused:
        compiled(grammars, schema).mask()
    assert time.perf_counter() - begun < LONGEST_S
    assert named in str(refused.value)
    assert refused.value.param == "json_schema"
    assert all(len(str(detail)) <= 301 for detail in refused.value.details.values())


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 10**9},
        {"type": "array", "minItems": 10**6, "items": {"type": "integer"}},
        {"type": "string", "pattern": "(a|b)*a(a|b){20}"},
        {"type": "string", "pattern": "^((a{1,100}){1,100}){1,100}$"},
        {"enum": [f"value {number}" for number in range(5000)]},
        {"type": "object", "properties": {f"k{number}": {"type": "string"} for number in range(500)}},
        {"$defs": {f"d{i}": {"anyOf": [{"items": {"$ref": f"#/$defs/d{i + 1}"}}] * 9} for i in range(20)}
         | {"d20": {}}, "$ref": "#/$defs/d0"},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
        {"allOf": [{"anyOf": [{"properties": {f"p{i}{j}": {}}} for j in range(3)]} for i in range(12)]},
        {"type": "integer", "minimum": 1, "maximum": 10**15, "multipleOf": 9973},
    ],
)  # fmt: skip
def test_no_schema_takes_for_ever(grammars: Grammars, schema: Any) -> None:
    """It is taken, and then goes on for some tokens, or it is refused."""
    begun = time.perf_counter()
    refused = taken = 0
    try:
        matcher = compiled(grammars, schema)
        for _ in range(8):
            allowed = matcher.mask().nonzero()[0]
            taken += 1
            if matcher.complete or not len(allowed):
                break
            matcher.accept(int(allowed[-1]))
    except InvalidRequest:
        refused = 1
    assert refused or taken
    assert time.perf_counter() - begun < LONGEST_S


@pytest.mark.parametrize(
    ("schema", "left"),
    [
        ({"uniqueItems": False, "type": "array"}, {"type": "array"}),
        ({"propertyNames": {"type": "string"}, "unevaluatedProperties": True}, {}),
        ({"x-guidance": {"key_separator": "="}, "items": {"x-guidance": {}}}, {"items": {}}),
        (
            {"properties": {"uniqueItems": {"uniqueItems": False}}, "default": {"uniqueItems": False}},
            {"properties": {"uniqueItems": {}}, "default": {"uniqueItems": False}},
        ),
        (
            {"minProperties": 2, "additionalProperties": False, "properties": {"a": {}, "b": {}}},
            {"minProperties": 2, "additionalProperties": False, "properties": {"a": {}, "b": {}}},
        ),
        (
            {"anyOf": [{"multipleOf": 0.01}, {"multipleOf": 1e6}]},
            {"anyOf": [{"multipleOf": 0.01}, {"multipleOf": 1e6}]},
        ),
    ],
)
def test_what_asks_for_nothing_is_left_out(schema: Any, left: Any) -> None:
    assert checked(schema).schema == left


@pytest.mark.parametrize(
    ("schema", "dropped", "taken", "untaken"),
    [
        ({"type": "integer", "not": {"const": 1}}, ["s.not"], "1", '"a"'),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "contains": {}},
         ["s.contains", "s.uniqueItems"], "[1, 1]", '["a"]'),
        ({"properties": {"x": {"type": "string", "format": "nonsense"}}, "additionalProperties": False},
         ["s.properties.x.format=nonsense"], '{"x": "a"}', '{"x": 1}'),
        ({"type": "string", "pattern": "^(?=a)b$", "maxLength": 2}, ["s.pattern"], '"zz"', '"zzz"'),
        ({"type": "integer", "multipleOf": 999_983}, ["s.multipleOf"], "7", "7.5"),
        ({"oneOf": [{"type": "string", "enum": ["all"]}, {"type": "string", "pattern": "^[1-9]$"}]},
         ["s.oneOf"], '"7"', '"some"'),
        ({"oneOf": [{"const": 1}, {"const": 2}]}, [], "2", "3"),
        ({"allOf": [{"if": {}, "then": {}}, {"type": "boolean"}]}, ["s.allOf[0].if", "s.allOf[0].then"], "true", "1"),
        ({"anyOf": [{"x-hoshikage": {"place": "t", "strict": False}, "not": {}, "type": "null"}]},
         ["t.not"], "null", "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_left_out_and_named_unless_the_schema_is_strict(
    model: Model, grammars: Grammars, schema: Any, dropped: list[str], taken: str, untaken: str
) -> None:
    matcher = grammars.compile(Grammar("json_schema", json.dumps(schema), "s", strict=False), (2,))
    assert sorted(matcher.dropped) == sorted(dropped)
    assert takes(model, matcher, taken)
    assert not takes(model, matcher, untaken)
    if dropped and not dropped[0].startswith("t."):
        with pytest.raises(InvalidRequest) as refused:
            grammars.compile(Grammar("json_schema", json.dumps(schema), "s"), (2,))
        assert refused.value.details["keywords"] in dropped


def test_each_schema_in_a_grammar_is_as_strict_as_it_says(grammars: Grammars) -> None:
    def one(name: str, *, strict: bool) -> dict[str, Any]:
        return {"properties": {name: {"not": {}}}, "x-hoshikage": {"place": f"tools.{name}", "strict": strict}}

    lenient = Grammar("json_schema", json.dumps({"anyOf": [one("a", strict=False), one("b", strict=False)]}), "tools")
    assert grammars.compile(lenient, (2,)).dropped == ("tools.a.properties.a.not", "tools.b.properties.b.not")
    mixed = Grammar("json_schema", json.dumps({"anyOf": [one("a", strict=False), one("b", strict=True)]}), "tools")
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(mixed, (2,))
    assert refused.value.details == {"keywords": "tools.b.properties.b.not"}


BROKEN: list[tuple[Any, str]] = [
    ({"type": 5}, ""),
    ({"$ref": "#/nowhere"}, ""),
    (
        {"type": "object", "properties": {"y": {"type": "null"}, "x": {"type": 5}}, "required": ["x"]},
        ".properties.x",
    ),
    ({"type": "object", "properties": {"x": {"items": {"$ref": "#/nowhere"}}}}, ".properties.x.items"),
    ({"type": "object", "properties": {"x": 5}}, ".properties.x"),
    (
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"z": {"type": 5}, "a": {"enum": 1}}},
        ".$defs.a",
    ),
]  # fmt: skip


def tools_with(broken: Any, *, strict: bool) -> list[Grammar]:
    """Makes what holds calls of a tool that is fine and of one that is not, in each of its forms."""
    good = {"type": "object", "properties": {"a": {"type": "string"}}, "x-hoshikage": {"place": "tools.good"}}
    bad = {**broken, "x-hoshikage": {"place": "tools.bad", "strict": strict}}
    functions = {"good": good, "bad": bad}
    layout = forced.layout({name: ("json", schema) for name, schema in functions.items()}, None)
    return [
        Grammar("json_schema", json.dumps(bad), "tools"),
        Grammar("json_schema", json.dumps(call_schema.schema(functions, several=True)), "tools"),
        Grammar("layout", json.dumps(layout), "tools"),
    ]


@pytest.mark.parametrize("led", [False, True])
@pytest.mark.parametrize(("broken", "where"), BROKEN)
def test_a_strict_schema_that_is_broken_is_refused_with_its_tool_and_place(
    grammars: Grammars, broken: Any, where: str, *, led: bool
) -> None:
    for grammar in tools_with(broken, strict=True):
        with pytest.raises(InvalidRequest) as refused:
            grammars.compile(grammar, (2,), led=led)
        assert (refused.value.key, refused.value.param) == ("engine.schema_refused", "tools.bad")
        assert refused.value.details["place"] == f"tools.bad{where}"
        assert refused.value.details["reason"]
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("json_schema", json.dumps(broken), "format.schema"), (2,), led=led)
    assert (refused.value.param, refused.value.details["place"]) == ("format.schema", f"format.schema{where}")


def test_a_broken_tool_among_many_is_found(grammars: Grammars) -> None:
    fine = {f"p{number}": {"type": "string", "description": "d" * 50} for number in range(10)}
    functions: dict[str, Any] = {
        f"t{number}": {"properties": fine, "x-hoshikage": {"place": f"tools.t{number}", "strict": True}}
        for number in range(128)
    }
    functions["t127"]["properties"] = {**fine, "x": {"type": 5}}
    given = Grammar("json_schema", json.dumps(call_schema.schema(functions, several=True)), "tools")
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(given, (2,))
    assert (refused.value.param, refused.value.details["place"]) == ("tools.t127", "tools.t127.properties.x")


@pytest.mark.parametrize(("broken", "where"), BROKEN)
def test_what_is_broken_in_a_schema_that_is_not_strict_is_left_out_and_named(
    model: Model, grammars: Grammars, broken: Any, where: str
) -> None:
    for grammar in tools_with(broken, strict=False)[1:]:
        matcher = grammars.compile(grammar, (2,))
        assert matcher.dropped == (f"tools.bad{where}",)
        for arguments, takes_them in (("{}", not broken.get("required")), ('{"x": 7}', True), ("7", False)):
            call = f'{{"name": "bad", "arguments": {arguments}}}'
            assert takes(model, matcher, call if grammar.kind == "layout" else f"[{call}]") == takes_them


@pytest.mark.parametrize("led", [False, True])
@pytest.mark.parametrize("pattern", ["^(?!/).*$", "(?=a)b", "(a)\\1", "[", "(", "a**\n)", "\\p{Foo}", "\\bword\\b"])
def test_an_expression_that_cannot_be_enforced_is_named_wherever_it_stands(
    model: Model, grammars: Grammars, pattern: str, *, led: bool
) -> None:
    fine = {"type": "string", "pattern": "^[a-c]/\\d$"}
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": pattern}, "y": fine},
        "required": ["x", "y"],
        "additionalProperties": {"patternProperties": {pattern: {}}},
    }
    matcher = grammars.compile(Grammar("json_schema", json.dumps(schema), "s", strict=False), (2,), led=led)
    assert sorted(matcher.dropped) == ["s.additionalProperties.patternProperties", "s.properties.x.pattern"]
    assert takes(model, matcher, '{"x": "/a", "y": "b/1"}')
    assert not takes(model, matcher, '{"x": "/a", "y": "b"}')
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("json_schema", json.dumps(schema), "s"), (2,), led=led)
    assert (refused.value.key, refused.value.details) == (
        "engine.schema_keyword",
        {"keywords": "s.properties.x.pattern"},
    )


@pytest.mark.parametrize("led", [False, True])
@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"$ref": "#"}, "s"),
        ({"$ref": "#", "x-hoshikage": {"place": "tools.b", "strict": True}}, "tools.b"),
        ({"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"allOf": [{"$ref": "#"}]}}}, "s"),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}, "required": ["a"]},
            "s",
        ),
        ({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/a"}}}, "s"),
    ],
)
def test_a_reference_that_leads_back_at_once_is_refused(
    grammars: Grammars, schema: Any, place: str, *, led: bool
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("json_schema", json.dumps(schema), "s", strict=False), (2,), led=led)
    assert (refused.value.key, refused.value.details) == ("engine.grammar_endless", {"place": place})


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"type": "null"}, {"$ref": "#"}]},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"const": {"$ref": "#"}},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "type": "object"},
    ],
)
def test_a_reference_that_need_not_be_followed_is_taken(grammars: Grammars, schema: Any) -> None:
    assert compiled(grammars, schema).mask().any()


def test_a_property_of_a_keywords_name_is_no_keyword() -> None:
    assert checked({"properties": {"additionalItems": {}, "prefixItems": {}}}).dropped == ()
    with pytest.raises(Unenforceable, match="additionalItems"):
        checked({"properties": {"x": {"additionalItems": False, "prefixItems": [{}]}}})


def test_one_that_is_compiled_for_too_long_is_a_400_and_the_next_is_taken(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_: Any) -> Any:
        for _number in itertools.count():
            pass

    monkeypatch.setattr("hoshikage.llama.grammar.COMPILE_SECONDS", 0.05)
    with monkeypatch.context() as slow:
        slow.setattr(Grammars, "_source", endless)
        with pytest.raises(InvalidRequest) as caught:
            compiled(grammars, ENTRY)
    assert (caught.value.status, caught.value.key) == (400, "engine.grammar_slow")
    assert (caught.value.param, caught.value.details) == ("json_schema", {"seconds": 0.05})
    monkeypatch.undo()
    assert compiled(grammars, ENTRY)


def test_without_the_package_the_refusal_names_it(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(NotSupported) as lacking:
        Grammars(model.vocab)
    assert (lacking.value.key, lacking.value.details) == ("engine.grammar_package", {"package": "llguidance"})
