"""Tests the catalogue: both languages say the same things, every text is used, and every text that is asked for
exists."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from string import Formatter

import pytest

from hoshikage import errors, messages
from hoshikage.messages import AREAS, LANGUAGES, accepted_language, language_of, text
from tests.trees import nodes_of, text_of

PACKAGE = Path(messages.__file__).parent.parent
SOURCES = [file for file in PACKAGE.rglob("*.py") if file.parent.name != "messages"]
KEY = re.compile(rf"({'|'.join(AREAS)})\.[a-z0-9_]+")
NOT_KEYS = {"gguf", "json", "lock", "py"}
"""Ends of file names that look like keys."""
ADDED = {"refuse": {"file", "offset"}}
"""Maps a function to details that it adds to its caller's."""


def catalogue() -> dict[str, tuple[str, str]]:
    return {
        f"{area}.{name}": pair
        for area in AREAS
        for name, pair in import_module(f"hoshikage.messages.{area}").TEXTS.items()
    }


def names(pattern: str) -> Counter[str]:
    return Counter(name for _, name, _, _ in Formatter().parse(pattern) if name is not None)


@cache
def nodes() -> tuple[tuple[Path, list[ast.AST]], ...]:
    """Returns each file, and what it is made of that these tests ask for."""
    kinds = (ast.Constant, ast.JoinedStr, ast.Call)
    walks = ((file, nodes_of(text_of(file))) for file in SOURCES)
    return tuple((file, [node for node in walk if isinstance(node, kinds)]) for file, walk in walks)


def is_key(value: object) -> bool:
    return (
        isinstance(value, str)
        and "." in value
        and bool(KEY.fullmatch(value))
        and value.partition(".")[2] not in NOT_KEYS
    )


@cache
def asked() -> tuple[dict[str, str], dict[str, str]]:
    """Returns keys that the code names, and patterns of those it composes, each with the file that does."""
    whole: dict[str, str] = {}
    composed: dict[str, str] = {}
    for file, its in nodes():
        parts = {id(part) for node in its if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in its:
            if isinstance(node, ast.Constant) and is_key(node.value) and id(node) not in parts:
                whole[str(node.value)] = file.name
            if isinstance(node, ast.JoinedStr) and (pattern := composition(node)):
                composed[pattern] = file.name
    return whole, composed


def composition(node: ast.JoinedStr) -> str | None:
    """Makes a regular expression of the keys that an f-string can make, if it makes keys."""
    parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z0-9_]+" for part in node.values]
    starts = isinstance(node.values[0], ast.Constant) and re.match(rf"({'|'.join(AREAS)})\.", str(node.values[0].value))
    return "".join(parts) if starts else None


def test_areas_are_the_modules() -> None:
    found = {file.stem for file in Path(messages.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(AREAS) == found


@pytest.mark.parametrize("area", AREAS)
def test_both_languages_are_there_and_take_the_same_details(area: str) -> None:
    for key, pair in catalogue().items():
        if not key.startswith(f"{area}."):
            continue
        assert len(pair) == len(LANGUAGES), key
        for words in pair:
            assert words.strip(), key
        japanese, english = pair
        assert set(names(japanese)) == set(names(english)), key
        assert all(name.isidentifier() for name in names(japanese)), key


def test_english_is_english_and_japanese_japanese() -> None:
    kana = re.compile("[ぁ-んァ-ヶ一-龠]")
    same = {key for key, (japanese, english) in catalogue().items() if japanese == english}
    for key, (japanese, english) in catalogue().items():
        assert not kana.search(english), key
        letters = re.sub(r"\{\w*(:\w+)?\}", "", japanese)
        assert kana.search(letters) or key in same or not re.search("[A-Za-z]{2}", letters), key


def test_every_key_that_the_code_asks_for_exists() -> None:
    known = catalogue()
    whole, composed = asked()
    missing = {key: file for key, file in whole.items() if key not in known}
    assert missing == {}
    barren = {p: file for p, file in composed.items() if not any(re.fullmatch(p, key) for key in known)}
    assert barren == {}


def test_every_key_is_used() -> None:
    whole, composed = asked()
    made = re.compile("|".join(f"(?:{pattern})" for pattern in composed))
    unused = [key for key in catalogue() if key not in whole and not made.fullmatch(key)]
    assert unused == []


def test_every_raised_error_and_every_text_is_given_its_details() -> None:
    known = catalogue()
    lacking = []
    for file, its in nodes():
        for node in its:
            if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            position = 1 if isinstance(node.func, ast.Name) and name == "text" else 0
            kind = getattr(errors, name, None)
            raises = isinstance(kind, type) and issubclass(kind, errors.HoshikageError)
            if not (raises or name in ("text", "refuse")) or len(node.args) <= position:
                continue
            for key in constants(node.args[position]):
                given = {keyword.arg for keyword in node.keywords} | ADDED.get(name, set())
                lacks = set(names(known[key][0])) - given if key in known else set()
                if lacks:
                    lacking.append(f"{file.name}:{node.lineno}: {key} lacks {', '.join(sorted(lacks))}")
    assert lacking == []


def constants(node: ast.expr) -> list[str]:
    """Returns the keys that an argument can be: itself, or the two of `a if x else b`."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) + constants(node.orelse)
    return [str(node.value)] if isinstance(node, ast.Constant) and is_key(node.value) else []


def test_text_is_filled() -> None:
    assert text("ja", "cli.rm_done", label="星") == "登録を外しました: 星"
    assert text("en", "cli.rm_done", label="{x}") == "Unregistered: {x}"
    for unknown in ("cli.nothing", "nothing.at_all", "nothing", "os.path"):
        with pytest.raises(KeyError):
            text("en", unknown)


def test_language_of_an_environment() -> None:
    assert language_of({}) == "ja"
    assert language_of({"LANG": "POSIX"}) == "ja"
    assert language_of({"LANG": "C.UTF-8", "LC_ALL": ""}) == "ja"
    assert language_of({"LC_MESSAGES": "en_US", "LANG": "ja_JP"}) == "en"
    assert language_of({"LC_ALL": "fr_FR.UTF-8", "LANG": "ja_JP"}) == "en", "no Japanese for who reads French"
    assert language_of({"HOSHIKAGE_LANG": "ja", "LC_ALL": "fr_FR.UTF-8"}) == "ja"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "ja"),
        ("", "ja"),
        ("en", "en"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("ja;q=0.5, en;q=0.4", "ja"),
        ("fr, de;q=0.5", "ja"),
        ("en;q=0", "ja"),
        ("en;q=high", "ja"),
        ("*", "ja"),
    ],
)
def test_language_of_a_request(header: str | None, language: str) -> None:
    assert accepted_language(header, "ja") == language
