"""Tests the scripts' texts: both languages, the same fields, none missing and none unused."""

from __future__ import annotations

import ast
import re
from string import Formatter

from screen import ROOT
from tests.trees import nodes_of, text_of
from texts import TEXTS

ASKING = {"text", "say", "step", "Refused"}


def _fields(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}


def test_both_languages_fill_the_same_fields() -> None:
    for key, (japanese, english) in TEXTS.items():
        assert japanese.strip(), key
        assert english.strip(), key
        assert _fields(japanese) == _fields(english), key


def test_every_text_is_asked_for_and_every_asked_one_exists() -> None:
    asked = set()
    strings = set()
    composed = set()
    for file in (ROOT / "scripts").glob("*.py"):
        for node in nodes_of(text_of(file)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and file.name != "texts.py":
                strings.add(node.value)
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                parts = [
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z_]+" for part in node.values
                ]
                composed.add("".join(parts))
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in ASKING and isinstance(first, ast.Constant) and re.fullmatch(r"[a-z_]+", str(first.value)):
                asked.add(first.value)
    assert asked - set(TEXTS) == set()
    unused = set(TEXTS) - strings
    assert {key for key in unused if not any(re.fullmatch(pattern, key) for pattern in composed)} == set()
