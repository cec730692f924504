"""Tests GBNF as Lark: the same texts are taken, and a mistake is told with its place."""

from __future__ import annotations

import pytest

from hoshikage.errors import InvalidRequest
from hoshikage.llama.gbnf import Malformed, to_lark
from hoshikage.llama.grammar import Grammars
from hoshikage.llama.model import Model
from hoshikage.params import Grammar
from tests.llama.test_grammar import takes

JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""

CASES = [
    ('root ::= "yes" | "no"', ["yes", "no"], ["y", "yesno", ""]),
    ("root ::= [a-z]+ [a-z]", ["ab", "abc"], ["a", ""]),
    ("root ::= w w\nw ::= [a-z]+", ["ab"], ["a"]),
    ('root ::= "(" root ")" | [a-z]+ [a-z]', ["ab", "(ab)", "((abc))"], ["(a)", "(ab"]),
    ('root ::= "a"{2,3} "b"{2} "c"{1,}', ["aabbc", "aaabbccc"], ["abbc", "aabb"]),
    ('root ::= [あ-ん]{1,3} "。"', ["あい。"], ["ア。", "あいうえ。"]),
    ('root ::= [^\\n"]* "\\n" # comment\n', ["abc\n"], ['a"\n']),
    ("root ::= . .", ["\n\n", "日本"], ["a", "abc"]),
    ('root ::= "a" |', ["a", ""], ["b"]),
    ('root ::= (\n "a" |\n "b" # x\n )+ "\\x41\\u3042\\U0001F31F"', ["abAあ🌟"], ["A"]),
    ('root ::= [-a] [a-] [\\]] "{x}" "/"', ["--]{x}/", "aa]{x}/"], ["b"]),
    ('root ::= expr\nexpr ::= expr "+" term | term\nterm ::= [0-9]+', ["1+2+33"], ["+1", "1+"]),
    ('root-1 ::= "x"\nroot ::= root-1 ROOT\nROOT ::= "y"', ["xy"], ["x"]),
    (JSON, ['{"a": [1, 2.5, "x\\u0041"], "b": {"c": null} }', "{}"], ["{a:1}", '{"a":}', "[]"]),
]


@pytest.fixture(scope="module")
def grammars(model: Model) -> Grammars:
    return Grammars(model.vocab)


@pytest.mark.parametrize(("grammar", "taken", "refused"), CASES, ids=lambda value: str(value)[:30])
def test_the_same_texts_are_taken(
    model: Model, grammars: Grammars, grammar: str, taken: list[str], refused: list[str]
) -> None:
    matcher = grammars.compile(Grammar("gbnf", grammar, "grammar"), (2,))
    assert [text for text in taken if not takes(model, matcher, text)] == []
    assert [text for text in refused if takes(model, matcher, text)] == []


@pytest.mark.parametrize(
    ("grammar", "line", "column"),
    [
        ("", 1, 1),
        ("root", 1, 5),
        ("root ::= x", 1, 10),
        ('foo ::= "a"', 1, 12),
        ('root ::= "a', 1, 12),
        ("root ::= [a", 1, 12),
        ("root ::= []", 1, 12),
        ("root ::= [z-a]", 1, 14),
        ("root ::= (", 1, 11),
        ("root ::= )", 1, 10),
        ('root ::= "a"{3,2}', 1, 18),
        ('root ::= "a"{99999}', 1, 20),
        ('root ::= "\\q"', 1, 11),
        ('root ::= "\\uD800"', 1, 11),
        ('root ::= "a"\n"b"', 2, 1),
        ("root ::= <think>", 1, 10),
        ("root ::= " + "(" * 1000, 1, 75),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_mistake_is_told_with_its_place(grammars: Grammars, grammar: str, line: int, column: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("gbnf", grammar, "grammar"), ())
    assert refused.value.param == "grammar"
    assert (refused.value.details["line"], refused.value.details["column"]) == (line, column)


@pytest.mark.parametrize("led", [False, True])
@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= root",
        'root ::= root "a" | (root+ "b")',
        "root ::= a\na ::= (b){2}\nb ::= (root) | root",
        "root ::= #\n root",
        'root ::= "a" b{2} "c"\nb ::= "b"? (x | "d" x)\nx ::= x "y"',
    ],
)
def test_a_grammar_that_leads_back_before_it_writes_is_refused(grammars: Grammars, grammar: str, *, led: bool) -> None:
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("gbnf", grammar, "grammar"), (2,), led=led)
    assert (refused.value.key, refused.value.param) == ("engine.grammar_endless", "grammar")


@pytest.mark.parametrize(
    "grammar",
    ['root ::= "a" root', 'root ::= root "a" | "b"', 'root ::= root? "a"', 'root ::= (root | "a") "b"',
     'root ::= "a" | x\nx ::= x', 'root ::= "a" x? x* x{0,2}\nx ::= x', 'root ::= root{0,2} "a"'],
)  # fmt: skip
def test_one_that_writes_before_it_leads_back_is_taken(grammars: Grammars, grammar: str) -> None:
    allowed = grammars.compile(Grammar("gbnf", grammar, "grammar"), (2,)).mask()
    assert allowed.any()
    assert not allowed[2]


def test_what_only_the_answer_shows_to_be_endless_is_told_in_the_same_words(grammars: Grammars) -> None:
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("gbnf", "root ::= a | b\na ::= a\nb ::= b", "grammar"), (2,)).mask()
    assert (refused.value.key, refused.value.details) == ("engine.grammar_endless", {"place": "grammar"})


def test_a_grammar_without_recursion_is_one_word() -> None:
    assert "R0" in to_lark("root ::= [a-z]")
    assert "r0" in to_lark('root ::= "x" root | "y"')
    with pytest.raises(Malformed):
        to_lark("root")
