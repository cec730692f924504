"""The documents: both languages say the same, name what there is, and lead nowhere that does not exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from hoshikage.cli.main import COMMANDS
from hoshikage.http.error_response import OVERFLOW
from hoshikage.messages import AREAS, LANGUAGES, Language
from hoshikage.options import OWN, SETTINGS
from hoshikage.settings import LANGUAGE_VARIABLE

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
ENGLISH: Final = [page for page in PAGES if not page.name.endswith(".ja.md")]
LINK: Final = re.compile(r"\]\((?!https?://|mailto:|#)([^)#]+)[^)]*\)")
ROW: Final = re.compile(r"^\| `(?P<name>[A-Z_]+)` \|.*\| (?P<default>[^|]+) \|$", re.MULTILINE)
MANUALS: Final = ("docs/USER_MANUAL.md", "docs/USER_MANUAL.ja.md")
FIRST_PAGES: Final = ("README.md", "README.ja.md")
FIRST_PAGE_LINES: Final = 150
MIN_TEXT: Final = 10
MACHINE: Final = re.compile(r"/(?:work|tmp|root)/|/home/(?!you\b)")


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


@pytest.mark.parametrize("name", MANUALS)
def test_every_setting_is_named_with_its_default(name: str) -> None:
    text = _text(ROOT / name)
    defaults = {row["name"]: row["default"].strip("`") for row in ROW.finditer(text)}
    assert LANGUAGE_VARIABLE in defaults
    for row in SETTINGS:
        assert f"`{row.variable}`" in text, row.variable
        if row.variable in defaults and row.default:
            assert defaults[row.variable] == row.default, row.variable
    assert set(defaults) <= {LANGUAGE_VARIABLE, *(row.variable for row in SETTINGS)}


@pytest.mark.parametrize("name", FIRST_PAGES)
def test_the_first_page_is_short_and_names_every_protocol(name: str) -> None:
    text = _text(ROOT / name)
    assert len(text.splitlines()) <= FIRST_PAGE_LINES
    above = text[: text.index("\n## ")]
    assert [word for word in ("OpenAI", "Anthropic", "Ollama", "llama-server") if word not in above] == []


@pytest.mark.parametrize("name", MANUALS)
def test_the_manual_says_what_every_setting_may_be(name: str) -> None:
    text = _text(ROOT / name)
    for row in SETTINGS:
        allowed = row.allowed.replace(" | ", ", ")  # a bar would end the cell
        assert re.search(rf"^\| `{row.variable}` \| .* \| {re.escape(allowed)} \| ", text, re.MULTILINE), row.variable


@pytest.mark.parametrize("name", MANUALS)
def test_the_manual_names_every_command_and_every_setting_of_a_model(name: str) -> None:
    text = _text(ROOT / name)
    assert [verb for verb in COMMANDS if verb != "serve" and f"`hoshikage {verb}" not in text] == []
    assert re.findall(r"^\| `(--[a-z-]+)` \| `(\w+)` \|", text, re.MULTILINE) == [(row.flag, row.name) for row in OWN]


@pytest.mark.parametrize("name", MANUALS)
def test_every_message_shown_is_one_of_the_catalogue(name: str) -> None:
    """Under troubleshooting, and wherever a screen begins with an error: as the program prints it in that language."""
    text = _text(ROOT / name)
    language: Language = "ja" if ".ja." in name else "en"
    texts = [import_module(f"hoshikage.messages.{area}").TEXTS.values() for area in AREAS]
    shapes = [_shape(pair[LANGUAGES.index(language)]) for pairs in texts for pair in pairs]
    trouble = re.split(r"^## ", text, flags=re.MULTILINE)[-1]
    shown = re.findall(r"^```text\n(.*?)^```$", trouble, re.MULTILINE | re.DOTALL)
    assert len(shown) > 10
    for screen in shown:
        said = re.sub(r"^(?:error|warning|problem|lacks|エラー|注意|問題|足りないもの):?\s+", "", screen.rstrip())
        said = re.sub(rf"\A{_shape(OVERFLOW).pattern}\. ", "", said)
        first = said.partition("\n")[0]
        assert any(shape.fullmatch(said) or shape.fullmatch(first) for shape in shapes), screen


def test_no_page_names_a_machine() -> None:
    for page in PAGES:
        assert MACHINE.findall(_text(page)) == [], page


def test_no_page_keeps_a_mark_of_its_making() -> None:
    for page in ROOT.rglob("*.md"):
        if ".venv" not in page.parts and ".cache" not in page.parts:
            assert "@@" not in _text(page), page


def _shape(pattern: str) -> re.Pattern[str]:
    """What the text looks like with anything filled in; nothing at all for one that is little but what is filled in."""
    fixed = re.split(r"(?<!{){\w[^{}]*}(?!})", pattern)
    if sum(map(len, fixed)) < MIN_TEXT:
        return re.compile(r"(?!)")
    return re.compile(".*".join(re.escape(part.replace("{{", "{").replace("}}", "}")) for part in fixed), re.DOTALL)
