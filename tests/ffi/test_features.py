"""What a release lacks is refused with the first release that has it; which one that is, the table of releases says."""

from __future__ import annotations

import ast
from pathlib import Path

from hoshikage._ffi import features
from hoshikage.messages import LANGUAGES, text
from tests.trees import nodes_of, text_of

ROOT = Path(__file__).parents[2]


def lacked() -> list[tuple[str, set[str]]]:
    """Lists each release of the table of releases, in order, with what it lacks."""
    table = (ROOT / "docs/LIBRARIES.md").read_text("utf-8").partition("scripts/matrix.py: releases -->")[2]
    rows = [line.split("|") for line in table.partition("<!-- end -->")[0].splitlines() if line.startswith("| b")]
    return [(row[1].strip(), set(row[6].strip().split(", ")) - {"-"}) for row in rows]


def test_the_first_release_with_a_feature_is_the_one_behind_the_last_that_lacks_it() -> None:
    releases = lacked()
    assert releases[0][0] == features.OLDEST
    for feature in features.FEATURES:
        having = [release for release, lacks in releases if feature not in lacks]
        assert features.first_with(feature) == having[0], feature
    assert set(features.FIRST) - {"dry_breakers"} == set().union(*(lacks for _, lacks in releases))


def test_every_501_about_a_release_names_the_first_that_has_what_it_lacks() -> None:
    raised = {
        str(node.args[0].value): {str(keyword.arg) for keyword in node.keywords}
        for file in (ROOT / "hoshikage").rglob("*.py")
        if "NotSupported(" in text_of(file)
        for node in nodes_of(text_of(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "NotSupported"
        and isinstance(node.args[0], ast.Constant)
    }
    about_releases = {key for key, details in raised.items() if "version" in details}
    assert about_releases >= {"engine.sampler_absent", "library.feature_since"}
    for key in about_releases:
        assert "first" in raised[key], key
        assert all("b1" in text(language, key, **dict.fromkeys(raised[key], "b1")) for language in LANGUAGES)
