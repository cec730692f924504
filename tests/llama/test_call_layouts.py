"""Tests calls that a grammar holds in formats without JSON: what it lets through is read back as what the schema
takes."""

from __future__ import annotations

import json
import random
import re
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from hoshikage.engine.held_parts import InCalls
from hoshikage.errors import InvalidRequest
from hoshikage.llama import call_layout
from hoshikage.llama.grammar import Grammars, Matcher
from hoshikage.llama.model import Model
from hoshikage.params import SCHEMA_MARK, Grammar
from hoshikage.tools.known_formats import FORMATS
from hoshikage.tools.texts import Unwritable
from hoshikage.tools.tool_format import ToolFormat
from tests.tools.examples import EXAMPLES, SCHEMAS, Example, Said, heard

END: Final = 2
LAID_OUT: Final = [one.form for one in FORMATS if one.form.layout is not None]
BEFORE: Final = {
    "tagged_functions": "<tool_call>\n<function=",
    "glm": "<tool_call>",
    "hy3": "<tool_calls:opensource>\n<tool_call:opensource>",
    "kimi_k3": "<|open|>tools<|sep|><|open|>call ",
    "minimax": '<minimax:tool_call>\n<invoke name="',
    "dsml": '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="',
    "muse": ' to=x<|message|><atem:function_calls>\n<atem:invoke name="',
    "minicpm5": '<function name="',
    "gemma4": "<|tool_call>",
    "minimax_m3": ']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="',
    "lfm2": "<|tool_call_start|>",
}
"""An answer begins with these, up to where a call is held."""
LONGEST: Final = 400
"""A walk has so many tokens, behind which it takes the shortest way out."""
WAYS_OUT: Final = ('"', "]", "}", ">", "\n", "0", "a", "-", ":", "true", "null")


@pytest.fixture(scope="module")
def grammars(model: Model) -> Grammars:
    return Grammars(model.vocab)


def layout_of(form: ToolFormat, schemas: dict[str, Any], *, strict: bool = True) -> Grammar:
    assert form.layout is not None
    marked = {name: {**one, SCHEMA_MARK: {"place": f"tools.{name}", "strict": strict}} for name, one in schemas.items()}
    made, free = form.layout.of(marked)
    assert not free
    return Grammar("layout", json.dumps(made), "tools")


def ends_of(layout: Any) -> set[str]:
    """Returns what a layout has behind its texts."""
    if isinstance(layout, dict):
        return {end for part in layout.values() for end in ends_of(part)}
    if not isinstance(layout, list):
        return set()
    if layout[:1] == ["text"]:
        return {layout[3]}
    return {end for part in layout for end in ends_of(part)}


def walked(model: Model, matcher: Matcher, ends: list[str], dice: random.Random) -> str:
    """Walks a text that the grammar takes, token by token at random."""
    follower, said = matcher.again(), b""
    for _ in range(LONGEST):
        if follower.complete:
            break
        ways = [*ends, *dice.sample(WAYS_OUT, len(WAYS_OUT))]
        if dice.random() < 0.4 and (way := next((w for w in ways if follower.takes_text(w.encode())), None)):
            follower.accept_text(way.encode())
            said += way.encode()
            continue
        allowed = [token for token, may in enumerate(follower.mask()) if may and token != END]
        if not allowed:
            break
        token = dice.choice(allowed)
        follower.accept(token)
        said += model.vocab.piece(token)
    return said.decode("utf-8", "replace") if follower.complete else ""


FLAT: Final = ("minimax_m3",)
"""Their lists and objects stand beside no other value."""
LEAVES: Final[tuple[Any, ...]] = (
    {"type": "string"},
    {"type": "string", "description": "any", "minLength": 2, "maxLength": 5},
    {"type": "string", "pattern": "^[a-c]{2,3}$|x"},
    {"type": "string", "format": "date"},
    {"enum": ["C", "F", "<b>", "5", ""]},
    {"enum": ["a", 1, None, True]},
    {"const": "7"},
    {"type": "integer", "minimum": 0, "maximum": 12},
    {"type": "number", "minimum": -9, "maximum": 9},
    {"type": "boolean"},
    {"type": ["string", "null"]},
    {"type": ["string", "integer"], "maxLength": 3},
    {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "integer"}, "maxItems": 2}]},
    {"anyOf": [{"$ref": "#/$defs/pair"}, {"type": "null"}]},
    {"anyOf": [{"type": "number", "exclusiveMinimum": 3, "maximum": 9}, {"type": "string"}]},
    {"$ref": "#/$defs/color"},
    {"type": "array", "items": {"$ref": "#/$defs/color"}, "minItems": 1, "maxItems": 2},
    {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"], "additionalProperties": False},
    {"oneOf": [{"const": "on"}, {"const": "off"}]},
    {},
)
DEFS: Final = {
    "color": {"type": "string", "enum": ["red", "12"]},
    "pair": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    },
}


def schema_of(dice: random.Random, leaves: list[Any]) -> dict[str, Any]:
    names = dice.sample(["city", "a", "a_b", "day-1", "x.y", "note"], dice.randint(0, 4))
    made = {name: dice.choice(leaves) for name in names}
    schema = {"type": "object", "properties": made, "additionalProperties": False, "$defs": DEFS}
    return {**schema, "required": [name for name in names if dice.random() < 0.5]}


@pytest.mark.parametrize("form", LAID_OUT, ids=lambda form: form.name)
def test_what_is_let_through_is_read_back_as_its_schema_says(
    model: Model, grammars: Grammars, form: ToolFormat
) -> None:
    dice = random.Random(11)
    leaves = [leaf for leaf in LEAVES if form.name not in FLAT or "anyOf" not in leaf]
    read = 0
    for _ in range(12):
        schemas = {name: schema_of(dice, leaves) for name in ("look", "look_up", "time")}
        grammar = layout_of(form, schemas)
        matcher = grammars.compile(grammar, (END,))
        ends = sorted(ends_of(json.loads(grammar.text)), key=len)
        for _ in range(6):
            text = walked(model, matcher, ends, dice)
            said = heard(Example("", form, "", Said(), schemas=schemas), BEFORE[form.name] + text)
            if not text:
                continue
            assert said.parsed, text
            assert said.calls
            for name, arguments in said.calls:
                assert Draft202012Validator(schemas[name]).is_valid(arguments), (text, arguments, schemas[name])
            read += 1
    assert read > 40


MORE: Final = {"dsml": {"type": "string"}, "kimi_k3": {"type": "string"}, "gemma4": True}
"""Examples have these parameters beside those of the schema."""
NESTED: Final = "]<]minimax[>[<item>]<]minimax[>[<k>1.5]<]minimax[>[</k>]<]minimax[>[</item>"
MET: Final = [
    example
    for example in EXAMPLES
    if example.form.layout is not None
    and example.said.parsed
    and "東京" in example.text
    and "json" not in example.name
    and "JSON" not in example.name
]


@pytest.mark.parametrize("example", MET, ids=lambda example: example.name)
def test_what_a_model_writes_is_let_through_and_nothing_else(
    model: Model, grammars: Grammars, example: Example
) -> None:
    assert example.form.held is not None
    weather = {**SCHEMAS["weather"], "additionalProperties": MORE.get(example.form.name, False)}
    weather["properties"] = {**weather["properties"], "list": {"type": "array", "items": {"type": "string"}}}
    if example.form.name in MORE:
        del weather["properties"]["list"]
    layout = layout_of(example.form, {**SCHEMAS, "weather": weather})
    header = re.compile(example.form.held.pattern.encode())

    def goes(text: str) -> bool:
        calls = InCalls(header, {"": grammars.compile(layout, (END,))}, None, model.vocab.piece)
        for token in model.vocab.tokenize(text, parse_special=False):
            mask = calls.mask()
            if (mask is not None and not mask[token]) or not calls.takes(token):
                return False
            calls.accept(token)
        return calls.mask() is None

    text = example.text.replace("a &quot;b&quot;", "zip").replace(NESTED, "")
    assert goes(text)
    assert not goes(text.replace("city", "town").replace('"true"', '"false"'))
    assert not goes(text.replace("weather", "wether"))


def test_every_format_is_met() -> None:
    assert {form.name for form in LAID_OUT} == {one.form.name for one in MET}


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "string", "pattern": "(?=a)b"}, "tools.look.properties.x.pattern"),
        ({"type": "string", "pattern": "a\\"}, "tools.look.properties.x.pattern"),
        (
            {"type": "array", "items": {"type": "string", "format": "secret"}},
            "tools.look.properties.x.items.format=secret",
        ),
        ({"type": "object", "not": {}}, "tools.look.properties.x.not"),
    ],
)
def test_what_cannot_be_enforced_is_refused_of_a_strict_tool_alone(
    grammars: Grammars, schema: dict[str, Any], place: str
) -> None:
    form = next(form for form in LAID_OUT if form.name == "glm")
    look = {"look": {"type": "object", "properties": {"x": schema}, "required": ["x"]}}
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(layout_of(form, look), (END,))
    assert refused.value.details["keywords"] == place
    assert grammars.compile(layout_of(form, look, strict=False), (END,)).dropped == (place,)


def test_what_takes_too_long_to_count_is_told(grammars: Grammars) -> None:
    form = next(form for form in LAID_OUT if form.name == "glm")
    look = {"type": "object", "properties": {"x": {"type": "string", "maxLength": 10**6, "format": "secret"}}}
    dropped = grammars.compile(layout_of(form, {"look": look}), (END,)).dropped
    assert dropped == ("tools.look.properties.x.maxLength", "tools.look.properties.x.format=secret")


@pytest.mark.parametrize(
    "part",
    [
        {"anyOf": [{"type": "string"}], "minLength": 2},
        {"oneOf": [{"type": "string", "enum": ["all"]}, {"type": "string", "pattern": "^[1-9][0-9]*$"}]},
    ],
)
def test_a_part_that_no_layout_has_leaves_the_others_held(grammars: Grammars, part: dict[str, Any]) -> None:
    both = {"type": "object", "properties": {"a": part, "b": {"enum": ["x"]}}, "required": ["a", "b"]}
    for form in LAID_OUT:
        if form.name != "lfm2":
            assert grammars.compile(layout_of(form, {"look": both}), (END,)).dropped == ("tools.look.properties.a",)


@pytest.mark.parametrize("form", LAID_OUT, ids=lambda form: form.name)
def test_a_schema_that_leads_back_to_itself_has_an_end(grammars: Grammars, form: ToolFormat) -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "more": {"type": "array", "items": {"$ref": "#"}}}}
    grammars.compile(layout_of(form, {"look": node}), (END,))


@pytest.mark.parametrize("form", LAID_OUT, ids=lambda form: form.name)
def test_what_a_schema_comes_to_is_bounded(form: ToolFormat) -> None:
    """Eight levels of thirty references to the next are 30⁸ options; and references that bring much with them."""
    parts: dict[str, Any] = {f"a{at}": {"anyOf": [{"$ref": f"#/$defs/a{at + 1}"}] * 30} for at in range(8)}
    parts["a8"] = {"type": "string"}
    wide = {"type": "object", "properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": parts}
    many = {f"p{at}": {"type": "array", "items": {"$ref": "#/$defs/text"}} for at in range(1000)}
    long = {"type": "object", "properties": many, "$defs": {"text": {"type": "string", "description": "x" * 100_000}}}
    assert form.layout is not None
    for schema in (wide, long):
        made, _ = form.layout.of({"look": schema})
        assert len(json.dumps(made)) < 4_000_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "anyOf": [{"required": ["a"]}]},
        {"type": "array"},
        {"type": "object", "properties": {"a>b": {}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    ],
)
def test_a_schema_that_no_layout_has_is_named(schema: dict[str, Any]) -> None:
    for form in LAID_OUT:
        assert form.layout is not None
        if form.name != "lfm2":
            assert form.layout.of({"time": None, "look": schema})[1] == ("look",)
        with pytest.raises(Unwritable):
            form.layout.of({"a>b": None})


def test_a_mark_that_is_a_control_token_is_written_as_such() -> None:
    form = next(form for form in LAID_OUT if form.name == "glm")
    layout = json.loads(layout_of(form, {"look": {"type": "object", "properties": {"x": {"type": "string"}}}}).text)
    tokens = {"<arg_key>": 3, "</arg_key>": 4, "<arg_value>": 5, "</arg_value>": 6}
    lark, _ = call_layout.to_lark(layout, tokens, str)
    assert re.search(r"<\[3\]> /x/ <\[4\]>.*<\[5\]> T0 <\[6\]>", lark)
    plain, _ = call_layout.to_lark(layout, {}, str)
    assert "<[" not in plain
