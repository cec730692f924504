"""The documents: both languages say the same, name what there is, and lead nowhere that does not exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from hoshikage.cli.main import COMMANDS
from hoshikage.settings import LANGUAGE_VARIABLE, ROWS

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
ENGLISH: Final = [page for page in PAGES if not page.name.endswith(".ja.md")]
LINK: Final = re.compile(r"\]\((?!https?://|mailto:|#)([^)#]+)[^)]*\)")
ROW: Final = re.compile(r"^\| `(?P<name>[A-Z_]+)` \|.*\| (?P<default>[^|]+) \|$", re.MULTILINE)


def _japanese(page: Path) -> Path:
    return page.with_name(page.name.replace(".md", ".ja.md"))


def _text(page: Path) -> str:
    return page.read_text("utf-8")


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.name)
def test_every_page_stands_in_both_languages_with_the_same_parts(page: Path) -> None:
    shapes = []
    for text in (_text(page), _text(_japanese(page))):
        outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        headings = [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]
        rows = len(re.findall(r"^\|", outside, re.MULTILINE))
        blocks = re.findall(r"^```(\w+)$", text, re.MULTILINE)
        shapes.append((headings, rows, blocks))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("page", [*ENGLISH, *map(_japanese, ENGLISH), ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link in LINK.findall(_text(page)) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_the_readme_names_every_setting_with_its_default(name: str) -> None:
    text = _text(ROOT / name)
    defaults = {row["name"]: row["default"].strip("`") for row in ROW.finditer(text)}
    assert LANGUAGE_VARIABLE in defaults
    for row in ROWS:
        assert f"`{row.variable}`" in text, row.variable
        if row.variable in defaults and row.default:
            assert defaults[row.variable] == row.default, row.variable
    assert set(defaults) <= {LANGUAGE_VARIABLE, *(row.variable for row in ROWS)}


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_the_readme_names_every_command(name: str) -> None:
    text = _text(ROOT / name)
    assert [verb for verb in COMMANDS if verb != "serve" and f"`hoshikage {verb}" not in text] == []


def test_no_page_keeps_a_mark_of_its_making() -> None:
    for page in ROOT.rglob("*.md"):
        if ".venv" not in page.parts and ".cache" not in page.parts:
            assert "@@" not in _text(page), page
