"""add, rm and list, over real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoshikage.registry import Registry
from tests.cli.conftest import Cli, Running
from tests.gguf_files import STRING, U16, Gguf


def test_add_list_rm(cli: Cli, model: Path, registry: Registry) -> None:
    ran = cli("add", model, "small", "</s>", "終")
    assert ran.status == 0
    assert ran.out == f"Registered: small → {model}\n  llama · 320 · Q8_0 · 1.22 KiB\n"
    assert registry.resolve("small").stop == ("</s>", "終")
    shown = cli("list").out
    header, row = shown.splitlines()
    assert header.split() == [
        "Label", "File", "Size", "Arch.", "Params", "Quant.", "Context", "Stops", "State",
    ]  # fmt: skip
    for cell in ("small", "small.gguf", "llama", "320", "Q8_0", "512", "</s> 終", "usable"):
        assert cell in row
    ran = cli("rm", "small")
    assert (ran.status, ran.out) == (0, f"Unregistered: small\n  The file is left where it is: {model}\n")
    assert model.exists()
    assert cli("list").out.startswith("No model is registered yet")


def test_list_json(cli: Cli, model: Path, work: Path) -> None:
    cli("add", model, "small", "終")
    cli("add", Gguf().write(work / "gone.gguf"), "gone")
    (work / "gone.gguf").unlink()
    data = cli("list", "--json").data
    assert data["problems"] == []
    small, gone = data["models"]
    assert small.pop("created") > 1_700_000_000
    assert small == {
        "label": "small",
        "file": str(model),
        "source": "registry",
        "size_bytes": model.stat().st_size,
        "architecture": "llama",
        "name": "星影 test",
        "n_params": 320,
        "file_type": "Q8_0",
        "context_length": 512,
        "stop": ["終"],
        "options": {},
        "state": "usable",
        "reason": "",
    }
    assert (gone["state"], gone["n_params"]) == ("missing", None)
    assert "no such file" in gone["reason"]


def test_remove_is_rm(cli: Cli, model: Path, registry: Registry) -> None:
    cli("add", model, "small")
    assert cli("remove", "small").status == 0
    assert registry.specs() == ()


def test_a_replaced_label_is_told(cli: Cli, model: Path, work: Path) -> None:
    cli("add", model, "small")
    other = Gguf().write(work / "other.gguf")
    assert cli("add", other, "small").out.startswith("Replaced the model that was registered as small")
    assert cli("add", other, "small", "--lang", "ja").out.startswith("登録済みの small を置き換えました")


def test_a_relative_path_is_registered_whole(cli: Cli, model: Path, registry: Registry) -> None:
    cli("add", model.name, "small")
    assert registry.resolve("small").file == model


def test_no_template_is_told(cli: Cli, work: Path) -> None:
    bare = Gguf().without("tokenizer.chat_template").write(work / "bare.gguf")
    assert "ChatML" in cli("add", bare, "bare").out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Gguf().content()[:-64], "is incomplete"),
        (b"<html>", "is a web page"),
        (Gguf().with_pair("general.type", STRING, "adapter").content(), "it is: adapter"),
        (Gguf().with_pair("general.architecture", STRING, "clip").content(), "it is: clip"),
        (Gguf().with_pair("split.no", U16, 1).with_pair("split.count", U16, 2).content(), "part 2 of 2"),
        (Gguf().with_pair("x\x1b[2J", 77, b"").content(), "x\ufffd[2J"),
    ],
)
def test_a_bad_file_is_refused_by_name(content: bytes, words: str, cli: Cli, work: Path, registry: Registry) -> None:
    bad = work / "bad.gguf"
    bad.write_bytes(content)
    ran = cli("add", bad, "bad")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {bad} ")
    assert words in ran.err
    assert not registry.file.exists()


def test_a_bad_label_is_refused_before_the_file_is_read(cli: Cli, work: Path) -> None:
    ran = cli("add", work / "absent.gguf", "a/b")
    assert ran.status == 1
    assert "“a/b” cannot be a label" in ran.err


def test_rm_of_an_unknown_label_names_the_known(cli: Cli, model: Path) -> None:
    cli("add", model, "small")
    ran = cli("rm", "smal")
    assert (ran.status, ran.out) == (1, "")
    assert "smal" in ran.err
    assert "small" in ran.err


def test_list_shows_what_was_skipped_and_what_is_unusable(cli: Cli, model: Path, registry: Registry) -> None:
    cli("add", model, "small")
    content = json.loads(registry.file.read_text())
    registry.file.write_text(json.dumps({**content, "bad": 7, "gone": {"path": "/absent", "model": "x.gguf"}}))
    model.write_bytes(b"GGUF damaged")
    shown = cli("list").out
    assert "warning: The entry “bad” is not an object {...}; it was skipped." in shown
    assert "missing" in shown
    assert "unusable" in shown
    assert "gone: There is no such file" in shown


def test_a_damaged_registry_is_listed_from_the_last_good_state_and_not_written(
    cli: Cli, model: Path, registry: Registry
) -> None:
    cli("add", model, "small")
    registry.file.write_text('{"small": ')
    shown = cli("list").out
    assert "usable" in shown
    assert "cannot be read as JSON at line 1, column 11" in shown
    ran = cli("add", model, "other")
    assert ran.status == 2
    assert registry.file.read_text() == '{"small": '


def test_list_knows_what_the_running_server_has_loaded(cli: Cli, server: Running) -> None:
    states = {row["label"]: row["state"] for row in cli("list", "--json").data["models"]}
    assert states == {"first": "usable", "second": "loaded"}
