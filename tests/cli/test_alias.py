"""Tests hoshikage alias: further names of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage.registry import Registry
from tests.cli.conftest import Cli


@pytest.mark.process
def test_add_list_rm(cli: Cli, model: Path, registry: Registry) -> None:
    assert cli("alias").out.startswith("There are no aliases yet.")
    cli("add", model, "base")
    ran = cli("alias", "gpt-4o", "base")
    assert (ran.status, ran.out) == (0, "gpt-4o now means base\n")
    assert cli("alias", "org/name:q8", "gpt-4o", "--lang", "ja").out == "別名を付けました: org/name:q8 → base\n"
    assert registry.resolve("org/name:q8").label == "base"
    assert cli("alias").out == "gpt-4o → base\norg/name:q8 → base\n"
    assert cli("alias", "--json").data["aliases"] == [
        {"name": "gpt-4o", "model": "base", "state": "usable"},
        {"name": "org/name:q8", "model": "base", "state": "usable"},
    ]
    assert cli("alias", "org/name:q8", "--rm").out == "Removed the alias org/name:q8\n"
    assert "The alias gpt-4o leads nowhere now." in cli("rm", "base").out
    assert cli("alias").out == "gpt-4o → base (its model is gone)\n"


@pytest.mark.process
def test_wrong_use(cli: Cli, model: Path) -> None:
    assert cli("alias", "gpt-4o").status == 2
    assert cli("alias", "gpt-4o", "none").status == 1
    assert cli("alias", "none", "--rm").status == 1
    cli("add", model, "base")
    assert cli("alias", "base", "base").status == 1
    assert "Unknown arguments: more" in cli("alias", "gpt-4o", "base", "more").err


@pytest.mark.process
@pytest.mark.parametrize(
    "words", [("set", "gpt-4o", "base"), ("add", "gpt-4o", "base"), ("list",), ("rm", "base"), ("remove", "base")]
)
def test_a_verb_in_front_is_not_taken_for_a_name(
    cli: Cli, model: Path, registry: Registry, words: tuple[str, ...]
) -> None:
    cli("add", model, "base")
    for language, hint in (("en", "to remove one: `hoshikage alias --rm NAME`"), ("ja", "一覧: `hoshikage alias`")):
        ran = cli("alias", *words, "--lang", language)
        assert (ran.status, ran.out) == (2, "")
        assert hint in ran.err
    assert registry.aliases() == {}
