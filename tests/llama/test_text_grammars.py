"""Tests grammars of texts that stand in a call's JSON: what they take, and what of them cannot be taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import pytest

from hoshikage.errors import InvalidRequest
from hoshikage.llama import bounds
from hoshikage.llama.grammar import Grammars
from hoshikage.llama.model import Model
from hoshikage.params import Grammar
from hoshikage.tools import forced, lark
from hoshikage.tools.expression import Unsupported
from hoshikage.tools.layout import Node
from tests.llama.test_grammar import takes

SUMS: Final = """
// Sums and their parts.
start: sum
?sum: part (("+" | "-") part)* -> total
?part: NUMBER
     | "(" sum ")"
%import common.NUMBER
%import common.WS
%ignore WS
"""
PATCH: Final = r"""
start: "*** Begin" LF (add | drop)+ "*** End" LF?
add: "*** Add: " name LF line+
drop: "*** Drop: " name LF
name: /(.+)/
line: "+" /(.*)/ LF
%import common.LF
"""
WORDS: Final = r"""
start: greeting "!"~1..3 [digit ~ 2]
greeting: "hello"i | QUOTED
QUOTED: "\"" /[^"]{1,8}/ "\""
digit: "0".."9"
"""


@pytest.fixture(scope="module")
def grammars(model: Model) -> Grammars:
    return Grammars(model.vocab)


@pytest.mark.parametrize(
    ("grammar", "text", "may"),
    [
        (SUMS, "1+2", True),
        (SUMS, "( 1 -\n\t(2 - 3.5e2) )", True),
        (SUMS, "(1", False),
        (SUMS, "1+", False),
        (SUMS, "one", False),
        (PATCH, '*** Begin\n*** Add: a\\b "c".py\n+print("x\\n")\t\n+\n*** Drop: 星\n*** End', True),
        (PATCH, "*** Begin\n*** Drop: x\n*** End\n", True),
        (PATCH, "*** Begin\n*** End", False),
        (PATCH, "*** Begin\n*** Add: x\n-a\n*** End", False),
        (WORDS, "HeLLo!", True),
        (WORDS, '"a\\b"!!!12', True),
        (WORDS, "hello", False),
        (WORDS, "hello!!!!", False),
        (WORDS, "hello!1", False),
    ],
)
def test_a_text_of_a_lark_grammar(model: Model, grammars: Grammars, grammar: str, text: str, may: bool) -> None:
    given = lark.arguments("input", lark.to_gbnf(grammar))
    held = json.dumps({"input": text}, ensure_ascii=False)
    assert takes(model, grammars.compile(Grammar("gbnf", given, "tools.x"), (2,)), held) is may
    other = {"type": "object", "properties": {"city": {"enum": ["東京"]}}, "additionalProperties": False}
    arguments: dict[str, Node] = {"x": ("gbnf", given, "x"), "xy": ("json", other)}
    for maximum, whole in ((None, held), (2, f"[{held}]")):
        called = whole.replace(held, f'{{"name": "x", "arguments": {held}}}')
        for beside in (("x",), ("x", "xy")):
            made = forced.layout({name: arguments[name] for name in beside}, maximum)
            matcher = grammars.compile(Grammar("layout", json.dumps(made), "tools"), (2,))
            assert takes(model, matcher, called) is may
            for town, fits in (("東京", True), ("大阪", False)):
                beside_it = called.replace(f'"x", "arguments": {held}', f'"xy", "arguments": {{"city": "{town}"}}')
                assert takes(model, matcher, beside_it) is (fits and len(beside) == 2)
            if maximum is not None:
                more = ",\n" + called[1:]
                assert takes(model, matcher, called[:-1] + more) is may
                assert not takes(model, matcher, called[:-1] + more[:-1] + more)


@pytest.mark.parametrize(
    ("pattern", "text", "may"),
    [
        (r"[0-9]{2,3}", "12", True),
        (r"[0-9]{2,3}", "1234", False),
        (r"^a|b$", "b", True),
        (r"\w+\s\d", "星x 1", True),
        (r"\w+\s\d", "a-b 1", False),
        (r"[^\s\d]*", 'a"b\\\\', True),
        (r"[^\s\d]*", "a\nb", False),
        (r"(?:a\.b)+?", "a.ba.b", True),
        (r"(?:a\.b)+?", "axb", False),
        (r"\S\D[\W]\x41\u0042[a\-z]", "xy!AB-", True),
    ],
)
def test_a_text_of_a_regular_expression(model: Model, grammars: Grammars, pattern: str, text: str, may: bool) -> None:
    given = lark.arguments("input", lark.of_expression(pattern))
    held = json.dumps({"input": text}, ensure_ascii=False)
    assert takes(model, grammars.compile(Grammar("gbnf", given, "tools.x"), (2,)), held) is may


@pytest.mark.parametrize(
    "grammar",
    [
        "", "start: missing", "other: /a/", "start: a{x}", "start: /a/i", 'start: "a', "start: /(?=a)/", "start: (/a/",
        "%import python.NAME", "%import common.NOTHING", "%declare X", "start: /a\\b/", "start: /a/\nstart: /b/",
        'start: "ab".."c"', 'start: "a"~3..2', "start: /a{3,2}/", "start: " + "(" * 40 + "/a/" + ")" * 40,
        "start: /" + "(" * 40 + "a" + ")" * 40 + "/",
    ],
)  # fmt: skip
def test_what_is_not_taken_is_told(grammar: str) -> None:
    with pytest.raises(Unsupported):
        lark.to_gbnf(grammar)


@pytest.mark.parametrize(
    ("read", "source", "limit", "most"),
    [
        (lark.to_gbnf, 'start: "a"~1000000', "max_repeat", 10_000),
        (lark.to_gbnf, 'start: "a"~1..10000000000', "max_repeat", 10_000),
        (lark.of_expression, "a{12345678901,}", "max_repeat", 10_000),
        (lark.of_expression, "((a{1,100}){1,100}){1,100}", "max_expanded", 1_000_000),
        (
            lark.to_gbnf,
            "start: a0\n" + "".join(f"a{i}: a{i + 1}\n" for i in range(600)) + "a600: /x/",
            "max_chain",
            512,
        ),
        (lark.of_expression, "\\w" * 30_000, "max_text", 1_000_000),
        (lark.to_gbnf, "start: " + "(" * 31 + "/" + "(" * 31 + "a" + ")" * 31 + "/" + ")" * 31, "max_depth", 64),
    ],
    ids=["times", "many times", "regex times", "within", "deep rules", "long", "parentheses"],
)
def test_a_tool_s_grammar_that_is_too_large_is_told_as_the_tool_s(
    grammars: Grammars, read: Callable[[str], dict[str, str]], source: str, limit: str, most: int
) -> None:
    given = Grammar("gbnf", lark.arguments("input", read(source)), "tools.patch", tool="patch")
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(given, (2,), led=True)
    assert refused.value.key == f"engine.tool_grammar_{limit}"
    assert (refused.value.param, refused.value.details) == ("tools.patch", {"tool": "patch", "most": most})


@pytest.mark.parametrize(
    ("limit", "most", "grammar"),
    [
        ("MAX_TEXT", 100, PATCH),
        ("MAX_CHAIN", 4, "start: a\na: b\nb: c\nc: /x/"),
        ("MAX_EXPANDED", 60, "start: a~10\na: /bcdefgh/"),
    ],
)
def test_what_is_beyond_a_bound_is_a_400_that_names_it(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, grammar: str
) -> None:
    given = Grammar("gbnf", lark.arguments("input", lark.to_gbnf(grammar)), "tools.x")
    grammars.compile(given, (2,))
    monkeypatch.setattr(bounds, limit, most)
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(given, (2,))
    assert (refused.value.key, refused.value.details["limit"]) == ("engine.grammar_too_large", limit.lower())


def test_a_tool_s_grammar_that_is_too_large_is_told_as_the_tool_s_beside_others(grammars: Grammars) -> None:
    given = lark.arguments("input", lark.of_expression("((a{1,100}){1,100}){1,100}"))
    made = forced.layout({"look": ("json", {"type": "object"}), "patch": ("gbnf", given, "patch")}, 2)
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(Grammar("layout", json.dumps(made), "tools"), (2,))
    assert (refused.value.key, refused.value.param) == ("engine.tool_grammar_max_expanded", "tools.patch")


@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize("source", ["start: start", "start: a\na: a /x/", 'start: "x" a\na: b\nb: a\n%ignore " "'])
def test_a_tool_s_rule_that_leads_back_to_itself_is_told_as_the_tool_s(
    grammars: Grammars, source: str, is_alone: bool
) -> None:
    text = lark.arguments("input", lark.to_gbnf(source))
    made = forced.layout({"look": ("json", {"type": "object"}), "patch": ("gbnf", text, "patch")}, 2)
    alone, beside = Grammar("gbnf", text, "tools.patch", tool="patch"), Grammar("layout", json.dumps(made), "tools")
    with pytest.raises(InvalidRequest) as refused:
        grammars.compile(alone if is_alone else beside, (2,))
    assert (refused.value.key, refused.value.param) == ("engine.tool_grammar_endless", "tools.patch")
    assert refused.value.details == {"tool": "patch"}
