"""Tests what a release is held to before it is built: its tag and its part of the changelog. Test thread."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from release import checked, tags
from screen import Refused

CHANGELOG = "# Changelog\n\n## 0.4.0 - unreleased\n\nnew\n\n## 0.3.0 - 2026-11-28\n\nold\n"


def test_a_tag_with_its_dated_part_passes_and_so_does_a_commit_without_a_tag() -> None:
    checked("0.3.0", ["v0.3.0"], CHANGELOG)
    checked("0.3.1.dev4+g0123abc", [], CHANGELOG)


@pytest.mark.parametrize(
    ("version", "tagged", "key"),
    [
        ("0.3.0", ["v0.3.1"], "release_tag"),
        ("0.3.0", ["v0.3.0", "v0.3.0rc1"], "release_tag"),
        ("0.4.0", ["v0.4.0"], "release_changelog"),
        ("0.5.0", ["v0.5.0"], "release_changelog"),
    ],
    ids=["another", "two", "not-dated", "not-there"],
)
def test_what_is_not_ready_is_refused(version: str, tagged: list[str], key: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(version, tagged, CHANGELOG)
    assert refused.value.key == key


@pytest.mark.process
def test_tags_are_those_of_the_last_commit_that_name_a_version(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    git("commit", "-qm", "first", "--allow-empty")
    git("tag", "v0.1.0")
    git("commit", "-qm", "second", "--allow-empty")
    git("tag", "v0.2.0")
    git("tag", "very-good")
    assert tags(tmp_path) == ["v0.2.0"]
