"""Every promise of the original documents stands in docs/REQUIREMENTS, is met by what exists and shown by a test."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.trees import nodes_of, text_of

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = (ROOT / "docs" / "REQUIREMENTS.md", ROOT / "docs" / "REQUIREMENTS.ja.md")
CODE: Final = re.compile(r"`([^`]+)`")
FUNCTIONS: Final = [f"FT-{number:03}" for number in (*range(1, 7), 20, 21, *range(30, 34), *range(40, 45))]
"""The original list leaves the other numbers of FT-001 … FT-044 out."""
STATES: Final = {
    "met": "済み",
    "in part": "一部",
    "not measured": "未測定",
    "later": "今後",
}


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    state: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


def _rows(page: Path) -> list[Row]:
    """Reads the table with the columns ID, promise, state, where, shown by."""
    rows = []
    for line in page.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if re.fullmatch(r"(?:FT|NF)-\d+", cells[0]):
            assert len(cells) == 5, line
            rows.append(Row(cells[0], cells[2], tuple(CODE.findall(cells[3])), tuple(CODE.findall(cells[4]))))
    return rows


ENGLISH: Final = _rows(PAGES[0])


def test_no_promise_is_missing() -> None:
    ids = [row.id for row in ENGLISH]
    assert [found for found in ids if found.startswith("FT")] == FUNCTIONS
    numbers = [found for found in ids if found.startswith("NF")]
    assert numbers == [f"NF-{number:02}" for number in range(1, len(numbers) + 1)]
    assert len(numbers) >= 40


@pytest.mark.parametrize("row", ENGLISH, ids=lambda row: row.id)
def test_a_promise_is_met_by_what_exists_and_shown_by_a_test(row: Row) -> None:
    assert row.state != "later"
    if row.state == "later":
        return
    assert row.state in STATES
    assert row.files
    assert row.tests
    assert [file for file in row.files if not (ROOT / file).exists()] == []
    assert [named for named in row.tests if not _exists(named)] == []


def test_both_languages_have_the_same_rows() -> None:
    japanese = _rows(PAGES[1])
    states = {word: state for state, word in STATES.items()}
    assert [Row(row.id, states[row.state], row.files, row.tests) for row in japanese] == ENGLISH


def _exists(named: str) -> bool:
    """Returns whether `path::name` is a test function, or a method of a test class, of that file."""
    path, _, name = named.partition("::")
    if not (name.startswith("test_") and (ROOT / path).is_file()):
        return False
    return name in _functions(ROOT / path)


@cache
def _functions(file: Path) -> set[str]:
    return {node.name for node in nodes_of(text_of(file)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_a_test_that_is_not_there_would_be_seen() -> None:
    assert _exists("tests/test_requirements.py::test_no_promise_is_missing")
    assert not _exists("tests/test_requirements.py::test_of_nothing")
    assert not _exists("tests/test_of_nothing.py::test_no_promise_is_missing")


def test_no_program_is_started_by_a_shell() -> None:
    """Names of files and models never become a part of a command line."""
    found = []
    sources = {module: text_of(module) for module in (ROOT / "hoshikage").rglob("*.py")}
    for module, source in sources.items():
        for node in nodes_of(source) if re.search(r"shell|\b(?:system|popen)\b", source) else ():
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                shell = any(given.arg == "shell" for given in node.keywords)
                if shell or called in {"os.system", "os.popen", "asyncio.create_subprocess_shell"}:
                    found.append(f"{module}:{node.lineno} {called}")
    assert found == []
