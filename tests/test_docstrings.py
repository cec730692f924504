"""Tests docstrings: the words before the first full stop are a sentence, which has a verb of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.sentences import EITHER, THIRD, is_sentence
from tests.trees import nodes_of, text_of

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "hoshikage"
OTHERS: Final = ("clients", "demo", "examples", "scripts", "tests")
ROOMS: Final = sorted({PACKAGE / file.relative_to(PACKAGE).parts[0] for file in PACKAGE.rglob("*.py")})
PLACES: Final = (*ROOMS, *(ROOT / name for name in OTHERS))


def files_of(place: Path) -> list[Path]:
    return [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and text of each docstring, those below constants and fields included."""
    for node in nodes_of(source):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text.strip()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_docstring_is_a_sentence(place: Path) -> None:
    phrases = [
        f"{file.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for file in files_of(place)
        for line, text in docstrings(text_of(file))
        if not is_sentence(text)
    ]
    assert phrases == []


@pytest.mark.parametrize(
    "phrase",
    [
        "Whether the model is loaded.",
        "What the log says of each of them, then what the getters say.",
        "How many tokens an answer may have: below 0 there is no bound.",
        "Which model a request means: the one that it names.",
        "Where archives put the library.",
        "Of one state of a file.",
        "The bytes that a token stands for; a control token's are none. Cached.",
        "A message as templates see it. gpt-oss's template knows thoughts by another name.",
        "Names of the recognised layouts, as in `layouts`.",
        "Tokens with which a prompt ends that open the answer, at most.",
        "One model of a repository in one quantisation: its files are in order.",
        "`8.0B`, `270M`, `12K`.",
        "`ends`: the tokens that are forbidden.",
        "Field -> the reason why it is accepted.",
        "Find the structs' layouts.",
    ],
)
def test_a_phrase_is_seen(phrase: str) -> None:
    assert not is_sentence(phrase)


@pytest.mark.parametrize(
    "sentence",
    [
        "Returns whether the model is loaded.",
        "What is kept goes with the model.",
        "Where it fails, the former one stays.",
        "The loader looks here.",
        "`ends` are the tokens that are forbidden.",
        "Names the release with what computes: `v0.5.0+cuda`.",
        "These fields say how many tokens; 0 is none.",
        "So many tokens of one prompt are decoded at once.",
        "The state that a model keeps knows all of its text.",
        "Maps a field to the reason why it is accepted.",
    ],
)
def test_a_sentence_is_taken(sentence: str) -> None:
    assert is_sentence(sentence)


def test_docstrings_below_constants_are_read() -> None:
    assert list(docstrings('A = 1\n"""As B."""\n')) == [(2, "As B.")]


def test_what_may_be_a_plural_is_a_known_verb() -> None:
    assert EITHER <= THIRD, "the others are told apart by no rule"
