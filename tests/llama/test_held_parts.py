"""Tests parts of answers that grammars hold: calls in every format that writes JSON, over the built-in model's
vocabulary."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from hoshikage.engine.held_parts import MAX_HEADER, BehindThoughts, InCalls
from hoshikage.engine.thoughts import ThoughtLimit
from hoshikage.llama.grammar import Grammars
from hoshikage.llama.model import Model
from hoshikage.params import Grammar
from hoshikage.tools import functionary, hermes, llama3
from hoshikage.tools.call_schema import BARE, by_name
from hoshikage.tools.known_formats import FORMATS
from hoshikage.tools.tool_format import ToolFormat
from tests.tools.examples import EXAMPLES, SCHEMAS, Example

END: Final = 2
MET: Final = [
    example
    for example in EXAMPLES
    if example.form.held is not None
    and example.form.layout is None
    and example.said.parsed
    and '"city": "東京"' in example.text
]


@pytest.fixture(scope="module")
def grammars(model: Model) -> Grammars:
    return Grammars(model.vocab)


def calls_of(grammars: Grammars, model: Model, form: ToolFormat, limit: ThoughtLimit | None = None) -> InCalls:
    assert form.held is not None
    schemas = {**SCHEMAS, "time": {"type": "object", "properties": {}, "additionalProperties": False}}
    schemas["weather"] = {**SCHEMAS["weather"], "additionalProperties": False}
    matchers = {
        name: grammars.compile(Grammar("json_schema", json.dumps(schema), "tools"), (END,), led=True)
        for name, schema in {**by_name(schemas, True), **form.hold(schemas, True)}.items()
    }
    return InCalls(re.compile(f"{form.held.pattern}|{BARE.pattern}".encode()), matchers, limit, model.vocab.piece)


def held_in(calls: InCalls, model: Model, text: str) -> str | None:
    """Returns what of the text is held; None where it breaks what it is held to."""
    held = b""
    for token in model.vocab.tokenize(text, parse_special=False):
        mask = calls.mask()
        if (mask is not None and not mask[token]) or not calls.takes(token):
            return None
        if mask is not None:
            held += model.vocab.piece(token)
        assert calls.accept(token) == token
    return held.decode()


@pytest.mark.parametrize("example", MET, ids=lambda example: example.name)
def test_a_call_is_held_from_where_its_arguments_begin(model: Model, grammars: Grammars, example: Example) -> None:
    text = example.text.replace('{"name": "time"}', '{"name": "time", "arguments": {}}')
    held = held_in(calls_of(grammars, model, example.form), model, text)
    assert held is not None, "what the model may say"
    assert '"東京"' in held
    wrong = text.replace('"東京"', "5", 1)
    assert held_in(calls_of(grammars, model, example.form), model, wrong) is None


def test_the_examples_have_every_format_that_writes_json() -> None:
    written = {one.name for one in FORMATS if one.form.held is not None and one.form.layout is None}
    assert written - {one.form.name for one in MET} == set()


def test_behind_a_call_the_model_is_free_again_and_the_next_call_is_held(model: Model, grammars: Grammars) -> None:
    calls = calls_of(grammars, model, hermes.FORMAT)
    call = '<tool_call>\n{"name": "weather", "arguments": {"city": "東京"}}\n</tool_call>'
    held = held_in(calls, model, f'{{"city": 5}} {call} and {{"city": 5}}, then\n{call}')
    assert held is not None
    assert held.count("東京") == 2
    assert "5" not in held


def test_a_name_that_is_none_of_the_tools_is_not_let_through(model: Model, grammars: Grammars) -> None:
    text = '<tool_call>\n{"name": "wether", "arguments": {}}\n</tool_call>'
    assert held_in(calls_of(grammars, model, hermes.FORMAT), model, text) is None
    text = '{"name": "wether", "parameters": {"x": 1}}'
    assert held_in(calls_of(grammars, model, llama3.FORMAT), model, text) == "", "an object that calls nobody is text"


def test_what_stands_in_thoughts_is_no_call(model: Model, grammars: Grammars) -> None:
    limit = ThoughtLimit(None, b"<think>", b"</think>", False, ())
    wrong = '<tool_call>\n{"name": "weather", "arguments": {"city": 5}}\n</tool_call>'
    assert held_in(calls_of(grammars, model, hermes.FORMAT, limit), model, f"<think>{wrong}</think>Yes.") == ""
    assert held_in(calls_of(grammars, model, hermes.FORMAT, limit), model, f"<think>Hm.</think>{wrong}") is None
    assert held_in(calls_of(grammars, model, hermes.FORMAT, limit), model, wrong) is None


def test_an_answer_s_beginning_is_no_other_place(model: Model, grammars: Grammars) -> None:
    wrong = 'weather\n{"city": 5}'
    assert held_in(calls_of(grammars, model, functionary.RECIPIENTS), model, wrong) is None
    assert held_in(calls_of(grammars, model, functionary.RECIPIENTS), model, "a b " * MAX_HEADER + wrong) == ""


def behind(model: Model, grammars: Grammars, *, begun: bool = False, grammar: Grammar | None = None) -> BehindThoughts:
    def tokens(text: str) -> tuple[int, ...]:
        return tuple(model.vocab.tokenize(text, parse_special=False))

    matcher = grammars.compile(grammar or Grammar("json_schema", '{"type": "boolean"}', "x"), (END,), led=True)
    limit = ThoughtLimit(None, b"<think>", b"</think>", begun, tokens("\n</think>"), tokens("<think>"))
    return BehindThoughts(matcher, limit, model.vocab.piece, frozenset({END}))


def goes(parts: BehindThoughts, model: Model, text: str) -> bool:
    """Returns whether the answer may be this text, and is whole with it."""
    for token in model.vocab.tokenize(text, parse_special=False):
        if (due := parts.due()) is not None:
            if due != token:
                return False
            continue
        mask = parts.mask()
        if (mask is not None and not mask[token]) or not parts.takes(token):
            return False
        assert parts.accept(token) == token
    return parts.complete or bool((mask := parts.mask()) is not None and mask[END])


GBNF: Final = Grammar("gbnf", 'root ::= "true"', "grammar")
NESTED: Final = Grammar("gbnf", 'root ::= "true" | "(" root ")"', "grammar")


@pytest.mark.parametrize("grammar", [None, GBNF, NESTED], ids=["schema", "word", "rules"])
@pytest.mark.parametrize(
    ("begun", "text", "may"),
    [
        (False, "true", True),
        (False, "<think>{Hm}.</think>\n\ntrue", True),
        (False, "<think>{Hm}.</think>true", True),
        (False, "\ntrue", False),
        (False, "<think>{Hm}.</think>\n\nx", False),
        (False, "Hm", False),
        (True, "{Hm}.\n</think>\n\ntrue", True),
        (True, "{Hm}.\n</think>\n\ntrue.", False),
        (True, "true", False),
    ],
)
def test_what_comes_behind_thoughts_is_held(
    model: Model, grammars: Grammars, grammar: Grammar | None, begun: bool, text: str, may: bool
) -> None:
    assert goes(behind(model, grammars, begun=begun, grammar=grammar), model, text) is may


def test_an_end_within_thoughts_ends_them_alone(model: Model, grammars: Grammars) -> None:
    parts = behind(model, grammars, begun=True)
    said = [parts.accept(END)]
    while (due := parts.due()) is not None:
        said.append(due)
    assert b"".join(map(model.vocab.piece, said)).decode() == "\n</think>"
    assert goes(parts, model, "\nfalse")
