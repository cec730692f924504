"""Tests the documents: both languages say the same, name what there is, and lead nowhere that does not exist."""

from __future__ import annotations

import ast
import json
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
from tests.trees import nodes_of, text_of

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
ENGLISH: Final = [page for page in PAGES if not page.name.endswith(".ja.md")]
LINK: Final = re.compile(r"\]\((?!https?://|mailto:|#)([^)#]+)[^)]*\)")
ROW: Final = re.compile(r"^\| `(?P<name>[A-Z_]+)` \|.*\| (?P<default>[^|]+) \|$", re.MULTILINE)
MANUALS: Final = ("docs/USER_MANUAL.md", "docs/USER_MANUAL.ja.md")
FIRST_PAGES: Final = ("README.md", "README.ja.md")
FIRST_PAGE_LINES: Final = 150
MIN_TEXT: Final = 10
BUILDS: Final = re.compile(r"(?<!\d)\d+(?= (?:CPU )?builds)|(?<=CPU ビルド )\d+(?= 個)")
RELEASES: Final = re.compile(r"(?<!\d)\d+(?= (?:llama\.cpp )?releases)|(?<!\d)\d+(?= のリリース)")
IN_PAGES: Final = re.compile(r"`(?:\w+/)*([a-z_]+)\.([A-Z][A-Z_]{2,}|_[a-z]\w*)`")
IN_DOCSTRINGS: Final = re.compile(r"(?<![\w.])([a-z_]+)\.(?!NAME\b)([A-Z][A-Z_]{2,})\b")
FILE: Final = re.compile(r"`((?:\w+/)+[a-z_]+\.(?:py|json|sh))`")
MACHINE: Final = re.compile(r"/(?:work|tmp|root)/|/home/(?!you\b)")


def _japanese(page: Path) -> Path:
    return page.with_name(page.name.replace(".md", ".ja.md"))


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.name)
def test_every_page_stands_in_both_languages_with_the_same_parts(page: Path) -> None:
    shapes = []
    for text in (text_of(page), text_of(_japanese(page))):
        outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        headings = [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]
        rows = len(re.findall(r"^\|", outside, re.MULTILINE))
        blocks = re.findall(r"^```(\w+)$", text, re.MULTILINE)
        shapes.append((headings, rows, blocks))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("page", [*ENGLISH, *map(_japanese, ENGLISH), ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link in LINK.findall(text_of(page)) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("name", MANUALS)
def test_every_setting_is_named_with_its_default(name: str) -> None:
    text = text_of(ROOT / name)
    defaults = {row["name"]: row["default"].strip("`") for row in ROW.finditer(text)}
    assert LANGUAGE_VARIABLE in defaults
    for row in SETTINGS:
        assert f"`{row.variable}`" in text, row.variable
        if row.variable in defaults and row.default:
            assert defaults[row.variable] == row.default, row.variable
    assert set(defaults) <= {LANGUAGE_VARIABLE, *(row.variable for row in SETTINGS)}


@pytest.mark.parametrize("name", FIRST_PAGES)
def test_the_first_page_is_short_and_names_every_protocol(name: str) -> None:
    text = text_of(ROOT / name)
    assert len(text.splitlines()) <= FIRST_PAGE_LINES
    above = text[: text.index("\n## ")]
    assert [word for word in ("OpenAI", "Anthropic", "Ollama", "llama-server") if word not in above] == []


@pytest.mark.parametrize("name", FIRST_PAGES)
def test_the_first_page_lists_every_page(name: str) -> None:
    listed = re.findall(r"^\| \[[^]]+\]\(docs/(\w+(?:\.ja)?\.md)\)", text_of(ROOT / name), re.MULTILINE)
    pages = {page.name for page in PAGES if page.parent.name == "docs" and (".ja." in page.name) == (".ja." in name)}
    assert sorted(listed) == sorted(pages)


@pytest.mark.parametrize("name", MANUALS)
def test_the_manual_says_what_every_setting_may_be(name: str) -> None:
    text = text_of(ROOT / name)
    for row in SETTINGS:
        allowed = row.allowed.replace(" | ", ", ")  # a bar would end the cell
        assert re.search(rf"^\| `{row.variable}` \| .* \| {re.escape(allowed)} \| ", text, re.MULTILINE), row.variable


@pytest.mark.parametrize("name", MANUALS)
def test_the_manual_names_every_command_and_every_setting_of_a_model(name: str) -> None:
    text = text_of(ROOT / name)
    assert [verb for verb in COMMANDS if verb != "serve" and f"`hoshikage {verb}" not in text] == []
    assert re.findall(r"^\| `(--[a-z-]+)` \| `(\w+)` \|", text, re.MULTILINE) == [(row.flag, row.name) for row in OWN]


@pytest.mark.parametrize("name", MANUALS)
def test_every_message_shown_is_one_of_the_catalogue(name: str) -> None:
    """Messages are looked for under troubleshooting, and wherever a screen begins with an error: as the program prints
    it in that language."""
    text = text_of(ROOT / name)
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


def _names(modules: set[str]) -> dict[str, set[str]]:
    """Maps each of these modules to what is bound in it; modules of one name together."""
    names: dict[str, set[str]] = {}
    for file in _sources():
        nodes = nodes_of(text_of(file)) if file.stem in modules else ()
        bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        bound |= {
            node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        names.setdefault(file.stem, set()).update(bound)
    return names


def _sources() -> list[Path]:
    return [file for folder in ("hoshikage", "scripts", "tests") for file in (ROOT / folder).rglob("*.py")]


def test_pages_and_docstrings_name_what_there_is() -> None:
    """Names are `module.NAME` and `module._name` of this tree, and paths of its files: what is renamed is renamed there
    too."""
    pages = [ROOT / "CONTRIBUTING.md", *PAGES]
    said = [(page, found[1], found[2]) for page in pages for found in IN_PAGES.finditer(text_of(page))]
    for file in _sources():
        nodes = nodes_of(text_of(file)) if IN_DOCSTRINGS.search(text_of(file)) else ()
        texts = [node.value for node in nodes if isinstance(node, ast.Expr)]
        words = [one.value for one in texts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        said += [(file, found[1], found[2]) for word in words for found in IN_DOCSTRINGS.finditer(word)]
    assert len(said) > 20
    names = _names({module for _, module, _ in said})
    assert [(file.name, module, name) for file, module, name in said if name not in names.get(module, ())] == []
    paths = [(page, path) for page in pages for path in FILE.findall(text_of(page))]
    assert len(paths) > 100
    assert [one for one in paths if not any((ROOT / above / one[1]).exists() for above in ("", "hoshikage"))] == []


def test_no_page_names_a_machine() -> None:
    for page in PAGES:
        assert MACHINE.findall(text_of(page)) == [], page


def test_no_page_keeps_a_mark_of_its_making() -> None:
    brought = {".venv", ".cache", ".git"}
    pages = [page for page in ROOT.rglob("*.md") if brought.isdisjoint(page.relative_to(ROOT).parts)]
    assert len(pages) > 30
    for page in pages:
        assert [mark for mark in ("@@", "open(", ".read()") if mark in _prose(page)] == [], page


def _prose(page: Path) -> str:
    """Returns a page without what is set as code."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", MANUALS)
def test_the_manual_lists_what_a_working_folder_may_not_set(name: str) -> None:
    """One paragraph names all of it, in the order of the table, and behind it what may be set within the folder."""
    kinds = [[row.variable for row in SETTINGS if row.here == here] for here in ("never", "inside")]
    paragraph = next(line for line in text_of(ROOT / name).splitlines() if line.startswith(f"`{kinds[0][0]}`"))
    assert re.findall(r"`([A-Z_]+)`", paragraph) == [*kinds[0], *kinds[1]]


@pytest.mark.parametrize("name", [*FIRST_PAGES, "CONTRIBUTING.md"])
def test_the_numbers_of_builds_and_releases_are_those_of_the_table(name: str) -> None:
    rows = json.loads(text_of(ROOT / "scripts/releases.json"))
    builds, releases = len(rows), len({row["release"] for row in rows})
    text = text_of(ROOT / name)
    assert {int(number) for number in BUILDS.findall(text)} == {builds}
    assert {int(number) for number in RELEASES.findall(text)} == {releases}


def _shape(pattern: str) -> re.Pattern[str]:
    """Returns what the text looks like with anything filled in; nothing at all for one that is little but what is
    filled in."""
    fixed = re.split(r"(?<!{){\w[^{}]*}(?!})", pattern)
    if sum(map(len, fixed)) < MIN_TEXT:
        return re.compile(r"(?!)")
    return re.compile(".*".join(re.escape(part.replace("{{", "{").replace("}}", "}")) for part in fixed), re.DOTALL)
