"""Docstrings: each is a sentence that is read once, not the end of one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).resolve().parent.parent / "hoshikage"
ROOMS: Final = sorted({file.relative_to(PACKAGE).parts[0] for file in PACKAGE.rglob("*.py")})
FRAGMENT: Final = re.compile(r"(?:As|Beside|By|For|From|In|Of|So many|That of|Where|Who|Whose|With|Without) ")
"""How a docstring begins that leaves out its subject or its verb."""
OPENS_A_SENTENCE: Final = re.compile(r"[A-Z][a-z]+ [^.;:]*, [a-z]")
"""A clause in front of the sentence's own subject: `Where it fails, the former one stays.`"""


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, those below constants and fields included."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text.strip()


def is_fragment(text: str) -> bool:
    return FRAGMENT.match(text) is not None and OPENS_A_SENTENCE.match(text) is None


@pytest.mark.parametrize("room", ROOMS)
def test_a_docstring_is_a_sentence(room: str) -> None:
    fragments = [
        f"{file.relative_to(PACKAGE)}:{line}: {text.splitlines()[0]}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if file.relative_to(PACKAGE).parts[0] == room
        for line, text in docstrings(file.read_text("utf-8"))
        if is_fragment(text)
    ]
    assert fragments == []


def test_a_fragment_would_be_seen() -> None:
    assert is_fragment("Of one state of a file.")
    assert is_fragment("Where archives put the library.")
    assert not is_fragment("Where it fails, the former one stays.")
    assert not is_fragment("The loader looks here.")
    assert list(docstrings('A = 1\n"""As B."""\n')) == [(2, "As B.")]
