"""Lays out the pages of the documents' site in build/docs, and turns links that would leave it. mkdocs's own thread.

mkdocs alone calls it, as a hook. README becomes the first page. A link to a page of the site is one of the site; a
link to any other file of the clone leads to that file in the repository.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

ROOT: Final = Path(__file__).resolve().parent.parent
BESIDE: Final = {
    "README.md": "index.md",
    "README.ja.md": "index.ja.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
"""Maps a file of the clone to its page of the site, for those that do not stand in docs/."""
LINK: Final = re.compile(r"(?P<before>\]\()(?P<target>(?![a-z]+:|#|/)[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
OTHER_LANGUAGE: Final = re.compile(r"^\[(?:日本語|English)\]\([^)]*\)\n\n?", re.MULTILINE)
"""This line leads to a page's other language. The site has a switch for that."""
FENCE: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Makes build/docs the folder of the pages, and lays them out there."""
    folder = ROOT / "build" / "docs"
    lay_out(folder, config.repo_url or "")
    config.docs_dir = str(folder)
    return config


def lay_out(folder: Path, repository: str) -> None:
    """Fills `folder`, which is emptied first, with the site's pages and pictures."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    pages = {f"docs/{file.name}": file.name for file in (ROOT / "docs").glob("*.md")} | BESIDE
    for source, name in pages.items():
        parts = FENCE.split((ROOT / source).read_text("utf-8"))
        parts[::2] = [turned(part, source, pages, repository) for part in parts[::2]]
        (folder / name).write_text("".join(parts), "utf-8")


def turned(text: str, source: str, pages: dict[str, str], repository: str) -> str:
    """Returns `text` of the clone's file `source`, its links as they have to be in the site."""

    def turn(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found["target"]))
        if target in pages:  # the site chooses the language: a link names the page alone
            place = re.sub(r"\.ja\.md$", ".md", pages[target])
        elif target.startswith("docs/"):
            place = target.removeprefix("docs/")
        else:
            place = f"{repository}/{'tree' if (ROOT / target).is_dir() else 'blob'}/main/{target}"
        return f"{found['before']}{place}{found['anchor'] or ''}"

    return LINK.sub(turn, OTHER_LANGUAGE.sub("", text))
