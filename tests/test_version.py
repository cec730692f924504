"""Tests the version's origin: git's tags, as setuptools-scm reads them by the settings of pyproject.toml; and that one
version is told everywhere. Test thread."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import hoshikage
from release import HEADING

pytestmark = pytest.mark.process
ROOT: Final = Path(__file__).resolve().parent.parent
BUILT: Final = ("pyproject.toml", "setup.cfg", ".gitattributes", ".git_archival.txt")
"""The version of a source tree depends on these."""
COMMIT: Final = r"\+g[0-9a-f]{7,}"


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def version(folder: Path, *options: str) -> str:
    """Returns the version that a build of the folder would have."""
    command = [sys.executable, "-W", "ignore", "-m", "setuptools_scm", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Makes a repository with two commits and no tag."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in BUILT:
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "commit", "-qm", "second", "--allow-empty")
    return folder


def test_a_tag_is_the_version_and_commits_behind_it_are_told(clone: Path) -> None:
    git(clone, "tag", "v0.3.0")
    assert version(clone) == "0.3.0"
    git(clone, "commit", "-qm", "third", "--allow-empty")
    assert re.fullmatch(r"0\.3\.1\.dev1" + COMMIT, version(clone))


def test_a_clone_without_tags_names_its_commit_and_is_older_than_any_release(clone: Path) -> None:
    assert re.fullmatch(r"0\.dev2" + COMMIT, version(clone))


def test_a_shallow_clone_names_its_commit(clone: Path, tmp_path: Path) -> None:
    git(clone, "tag", "v0.3.0", "HEAD~1")
    git(tmp_path, "clone", "-q", "--depth", "1", clone.as_uri(), "shallow")
    found = version(tmp_path / "shallow")
    assert re.fullmatch(r"0\.dev1" + COMMIT, found)
    assert git(clone, "rev-parse", "HEAD").startswith(found.partition("+g")[2])


def test_an_archive_knows_the_tag(clone: Path, tmp_path: Path) -> None:
    git(clone, "tag", "v0.3.0")
    git(clone, "archive", "-o", str(tmp_path / "all.tar"), "HEAD")
    archive = tmp_path / "archive"
    shutil.unpack_archive(tmp_path / "all.tar", archive)
    assert version(archive) == "0.3.0"


def test_sources_without_git_say_that_it_is_not_known(tmp_path: Path) -> None:
    for name in BUILT[:2]:
        shutil.copy(ROOT / name, tmp_path)
    assert version(tmp_path) == "0.dev0"


@pytest.mark.parametrize("tag", ["v1.2.3", None])
def test_a_checkout_runs_with_and_without_the_file_that_a_build_writes(clone: Path, tag: str | None) -> None:
    (clone / "hoshikage").mkdir()
    shutil.copy(ROOT / "hoshikage" / "__init__.py", clone / "hoshikage")
    if tag:
        git(clone, "tag", tag)
        version(clone, "--force-write-version-files")
    program = "import hoshikage; print(hoshikage.__version__)"  # without the packages of site, where this clone is
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=clone, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tag[1:] if tag else '0.dev0'}\n"


def test_the_changelog_has_the_versions_from_the_newest_down_each_with_its_date() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    found = [(match["version"], match["date"]) for match in HEADING.finditer(text)]
    assert len(found) == text.count("\n## ") > 0
    numbers = [tuple(map(int, name.split("."))) for name, _ in found]
    assert numbers == sorted(set(numbers), reverse=True)
    assert [date for _, date in found[1:] if date == "unreleased"] == []


def test_no_other_place_has_a_version_of_its_own() -> None:
    kept = re.compile(r'version(__)? = "(?!0\.dev0")\d')
    files = [file for file in (ROOT / "hoshikage").rglob("*.py") if file.name != "_version.py"]
    assert len(files) > 300
    assert [file for file in files if kept.search(file.read_text("utf-8"))] == []
    assert hoshikage.__version__
