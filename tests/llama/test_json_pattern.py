"""Tests patterns of strings: whatever passes the grammar, unescaped, matches the pattern."""

from __future__ import annotations

import json
import re

import pytest

from hoshikage.errors import InvalidRequest
from hoshikage.llama.grammar import Grammars
from hoshikage.llama.json_pattern import Unsafe, is_safe, safe
from hoshikage.llama.model import Model
from tests.llama.test_grammar import compiled, takes

CHARACTERS = ('"', "\\", "/", "\n", "\t", "\x01", "a", "b", "é", "星", "[", "]", "^", "'", " ")
PATTERNS = (
    '[^"]',
    r"[^\\]",
    r'[^"\\]',
    r'[^\n"]',
    "[^a]",
    r'[^\[\]"]',
    r"[\s\S]",
    r"\S",
    r"\s",
    ".",
    r"\D",
    "[!-~]",
    r"[\n\t]",
    r'[^\s"]',
    r'(?:[^"]|x)',
)


@pytest.fixture(scope="module")
def grammars(model: Model) -> Grammars:
    return Grammars(model.vocab)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_passes_matches(model: Model, grammars: Grammars, pattern: str) -> None:
    matcher = compiled(grammars, {"type": "string", "pattern": f"^{pattern}$"})
    passed = [one for one in CHARACTERS if takes(model, matcher, json.dumps(one, ensure_ascii=False))]
    assert passed
    assert [one for one in passed if not re.fullmatch(pattern, one, re.ASCII)] == []


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("^[a-z]+$", "^[a-z]+$"),
        ('^[^"]*$', r"^[^\x00-\x1f\"]*$".replace(r"\"", '"')),
        (r"\[^a]", r"\[^a]"),
        (r"^[^\]]\[[^\\]$", r"^[^\]]\[[^\x00-\x1f\\]$"),
        (r"[^\p{L}]", r"[^\x00-\x1f\p{L}]"),
        ("[[a]", "[[a]"),
    ],
)
def test_only_what_must_be_changed_is(pattern: str, made: str) -> None:
    assert safe(pattern) == made
    assert is_safe(pattern) == (pattern == made)


@pytest.mark.parametrize("pattern", [r"^[\x00-\x1f]$", r"\p{Cc}", r"\pC"])
def test_what_cannot_be_made_right_is_refused(grammars: Grammars, pattern: str) -> None:
    with pytest.raises(Unsafe):
        safe(pattern)
    assert not is_safe(pattern)
    with pytest.raises(InvalidRequest, match="pattern"):
        compiled(grammars, {"type": "string", "pattern": pattern})


def test_patterns_of_names_are_not_changed_but_refused(grammars: Grammars) -> None:
    assert compiled(grammars, {"type": "object", "patternProperties": {"^x_": {"type": "integer"}}})
    with pytest.raises(InvalidRequest, match="patternProperties"):
        compiled(grammars, {"type": "object", "patternProperties": {'^[^"]$': {"type": "integer"}}})
