"""Tests the documents' site: every page of the clone in both languages, its links turned to what the site has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import docs_site
from screen import ROOT

REPOSITORY: Final = "https://example.com/hoshikage"


def test_the_site_has_every_page_and_no_link_leaves_it_in_the_dark(tmp_path: Path) -> None:
    docs_site.lay_out(tmp_path / "site", REPOSITORY)
    pages = {file.name for file in (tmp_path / "site").glob("*.md")}
    assert pages == {file.name for file in (ROOT / "docs").glob("*.md")} | set(docs_site.BESIDE.values())
    for page in pages:
        for found in docs_site.LINK.finditer((tmp_path / "site" / page).read_text("utf-8")):
            target = found["target"]
            japanese = page.replace(".md", ".ja.md") if ".ja." not in page else page
            assert (tmp_path / "site" / target).is_file(), (page, target)
            assert target in pages or not target.endswith(".md"), (page, target)
            assert ".ja." not in target or page == japanese
    listed = re.findall(r"^  - (\w+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert set(listed) == {page for page in pages if ".ja." not in page}


def test_links_are_turned() -> None:
    pages = {"README.md": "index.md", "docs/API.md": "API.md", "docs/API.ja.md": "API.ja.md"}

    def turned(text: str) -> str:
        return docs_site.turned(text, "docs/API.md", pages, REPOSITORY)

    assert turned("[x](../README.md#tests)") == "[x](index.md#tests)"
    assert turned("[x](API.ja.md)") == "[x](API.md)"
    assert (
        turned("![x](a.png) [y](#here) [z](https://a.example/b)") == "![x](a.png) [y](#here) [z](https://a.example/b)"
    )
    assert turned("[x](../.env.example)") == f"[x]({REPOSITORY}/blob/main/.env.example)"
    assert turned("[x](../scripts)") == f"[x]({REPOSITORY}/tree/main/scripts)"
    assert turned("[日本語](API.ja.md)\n\nText") == "Text"
