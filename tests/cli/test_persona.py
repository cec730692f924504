"""Tests hoshikage persona, with the server up and down."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from hoshikage.registry import Registry
from tests.cli.conftest import Cli, Running

pytestmark = pytest.mark.process

SYSTEM = "あなたは星影です。"


def test_add_list_rm(cli: Cli, model: Path, registry: Registry) -> None:
    cli("add", model, "base")
    ran = cli("persona", "add", "hoshi", "--model", "base", "--system", SYSTEM, "--temperature", "0.9")
    assert (ran.status, ran.out) == (0, "Made the persona hoshi of the model base\n")
    spec = registry.resolve("hoshi")
    assert spec.persona is not None
    assert (spec.persona.system, spec.sampling.given()) == (SYSTEM, {"temperature": 0.9})
    header, row = cli("persona", "list").out.splitlines()
    assert header.split() == ["Name", "Model", "System", "text", "Settings", "State"]
    assert row.split() == ["hoshi", "base", SYSTEM, "temperature=0.9", "usable"]
    again = cli("persona", "add", "hoshi", "--model", "base", "--system", "x", "--lang", "ja")
    assert again.out == "ペルソナを置き換えました: hoshi（モデル base）\n"
    assert cli("persona", "rm", "hoshi").out == "Removed the persona hoshi\n"
    assert cli("persona", "list").out.startswith("There are no personas yet.")
    assert cli("persona", "list", "--lang", "ja").out.startswith("ペルソナはまだありません。")


def test_list_json(cli: Cli, model: Path, registry: Registry) -> None:
    cli("add", model, "base")
    cli("add", model, "other")
    cli("persona", "add", "hoshi", "--model", "base", "--system", SYSTEM)
    cli("persona", "add", "gone", "--model", "other", "--system", SYSTEM)
    assert "The persona gone uses this model and cannot answer without it." in cli("rm", "other").out
    data = cli("persona", "list", "--json").data
    assert (data["file"], data["problems"]) == (str(registry.personas_file), [])
    hoshi, gone = data["personas"]
    assert hoshi.pop("created") > 1_700_000_000
    assert hoshi == {"name": "hoshi", "model": "base", "system": SYSTEM, "options": {}, "state": "usable"}
    assert gone["state"] == "missing"
    assert "its model is gone" in cli("persona", "list").out
    assert "モデルなし" in cli("persona", "list", "--lang", "ja").out


def test_the_text_may_lie_in_a_file(cli: Cli, model: Path, work: Path, registry: Registry) -> None:
    cli("add", model, "base")
    (work / "hoshi.txt").write_text(f"\ufeff{SYSTEM}\n二行目\n", "utf-8")
    assert cli("persona", "add", "hoshi", "--model", "base", "--system", "@hoshi.txt").status == 0
    persona = registry.resolve("hoshi").persona
    assert persona is not None
    assert persona.system == f"{SYSTEM}\n二行目"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("hoshi", "--model", "base"), 2, "Missing arguments: --system"),
        (("hoshi", "--model", "base", "--system", "@none.txt"), 2, "none.txt cannot be read"),
        (("hoshi", "--model", "base", "--system", "@raw.txt"), 2, "raw.txt is no UTF-8 text"),
        (("hoshi", "--model", "absent", "--system", "x"), 1, "Registered: base"),
        (("base", "--model", "base", "--system", "x"), 1, "“base” is the label of a model"),
        (("ho shi", "--model", "base", "--system", "x"), 1, "“ho shi” cannot be a label"),
        (("hoshi", "--model", "base", "--system", "x", "--top-p", "2"), 2, "--top-p cannot be “2”. Allowed: 0.0 … 1.0"),
        (("hoshi", "--model", "base", "--system", "x", "--n-ctx", "512"), 2, "Unknown arguments: --n-ctx 512"),
    ],
)
def test_what_cannot_be_is_told(
    arguments: tuple[str, ...], status: int, words: str, cli: Cli, model: Path, work: Path, registry: Registry
) -> None:
    cli("add", model, "base")
    (work / "raw.txt").write_bytes(b"\xff\xfe")
    ran = cli("persona", "add", *arguments)
    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err
    assert not registry.personas_file.exists()


def test_rm_of_an_unknown_name_names_the_known(cli: Cli, model: Path) -> None:
    cli("add", model, "base")
    cli("persona", "add", "hoshi", "--model", "base", "--system", "x")
    ran = cli("persona", "rm", "hosi")
    assert (ran.status, ran.out) == (1, "")
    assert "hoshi" in ran.err


def test_doctor_covers_personas_model_settings_and_the_folder(
    cli: Cli, model: Path, work: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("add", model, "base", "--n-ctx", "512")
    cli("add", model, "other")
    cli("persona", "add", "hoshi", "--model", "base", "--system", "x")
    cli("persona", "add", "lost", "--model", "other", "--system", "x")
    cli("rm", "other")
    registry.file.write_text(registry.file.read_text().replace('"base"', '"bad": {"path": "/m", "model": "a", '
                             '"top_p": 7}, "base"'))  # fmt: skip
    monkeypatch.setenv("MODEL_DIR", str(work))
    findings = cli("doctor", "--json").data["findings"]
    told = {(found["subject"], found["state"], found["text"]) for found in findings}
    assert ("persona", "ok", "Persona hoshi, of the model base") in told
    assert ("persona", "warning", "The persona lost uses the model other, which is not there.") in told
    assert ("model", "ok", "Model base: llama · 320 · Q8_0 · 1.22 KiB · n_ctx=512") in told
    assert ("model_dir", "ok", f"MODEL_DIR: {work} (GGUF files that are not registered: 0)") in told
    assert any(found["subject"] == "registry" and "top_p of “bad” cannot be “7”" in found["text"] for found in findings)
    monkeypatch.setenv("MODEL_DIR", str(work / "absent"))
    registry.personas_file.write_text("{")
    findings = cli("doctor", "--json").data["findings"]
    (folder,) = (found for found in findings if found["subject"] == "model_dir")
    assert (folder["state"], folder["text"]) == ("warning", f"MODEL_DIR is no folder that can be read: {work}/absent")
    (broken,) = (found for found in findings if found["subject"] == "personas")
    assert broken["state"] == "problem"
    assert "personas.json.last-good" in broken["advice"]


def test_a_running_server_has_it_with_the_next_request(cli: Cli, server: Running) -> None:
    cli("persona", "add", "hoshi", "--model", "first", "--system", SYSTEM)
    body = {"model": "hoshi", "messages": [{"role": "user", "content": "一"}]}
    request = Request(
        f"http://127.0.0.1:{server.port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=20) as response:
        answer = json.loads(response.read())
    assert answer["model"] == "hoshi"
    assert answer["choices"][0]["message"]["content"].startswith("first 2 「一」"), "the system text is a turn"
