"""Tests add, rm and list, over real files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hoshikage.cli.options import FILES, shown
from hoshikage.option import Value
from hoshikage.options import OWN
from hoshikage.registry import OwnOptions, Registry
from tests.cli.conftest import Cli, Running
from tests.gguf_files import BOOL, I32, STRING, U16, U32, Gguf
from tests.registry.test_options import ALL

pytestmark = pytest.mark.process


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
        "tuned": {},
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
    ran = cli("add", work / "absent.gguf", "a b")
    assert ran.status == 1
    assert "“a b” cannot be a label" in ran.err


def test_a_template_that_does_not_compile_is_a_warning(cli: Cli, work: Path, registry: Registry) -> None:
    broken = (
        Gguf()
        .with_pair("tokenizer.chat_template", STRING, "{% for m in messages %}{{ m.content }")
        .write(work / "broken.gguf")
    )
    for arguments in (("add", "--check", broken), ("add", broken, "broken")):
        ran = cli(*arguments)
        assert ran.status == 0
        assert "warning: Its chat template cannot be read (" in ran.out
        assert "--chat-template chatml" in ran.out
    assert registry.resolve("broken").file == broken
    assert "unexpected" in cli("add", broken, "broken", "--json").data["template_fault"]
    (work / "good.jinja").write_text("{% for m in messages %}{{ m.content }}{% break %}{% endfor %}")
    (work / "bad.jinja").write_text("{% if %}")
    for template, words in (("chatml", False), ("good.jinja", False), ("bad.jinja", True)):
        shown = cli("add", broken, "broken", "--chat-template", template, "--lang", "ja").out
        assert ("チャットテンプレートを解釈できません" in shown) is words, template


def test_every_setting_is_taken_away_by_an_empty_one_and_switches_by_their_way_back(
    cli: Cli, model: Path, work: Path, registry: Registry
) -> None:
    def set_now() -> dict[str, object]:
        return dict(registry.resolve("own").options.given())

    (work / "own.jinja").write_text("{{ messages }}")
    scaled = {row.name: [f"{model}:0.500000"] for row in OWN if row.kind is list}
    files: dict[str, Value] = {**dict.fromkeys(FILES, str(model)), **scaled, "chat_template": str(work / "own.jinja")}
    rows = [row for row in OWN if row.kind is not bool]
    switches = {row.name: ALL[row.name] for row in OWN if row.kind is bool}
    registry.add("own", model, None, OwnOptions(files))
    typed = [word for row in rows if row.name not in files for word in (row.flag, str(ALL[row.name]))]
    assert cli("add", model, "own", "--pin", "--no-thinking", *typed).status == 0
    assert set_now() == {**ALL, **files}
    others = {name: value for name, value in set_now().items() if name != "chat_template"}
    for template, kept in (("chatml", "chatml"), ("own.jinja", str(work / "own.jinja"))):
        assert cli("add", model, "own", "--chat-template", template).status == 0
        assert set_now() == {**others, "chat_template": kept}
        assert cli("add", model, "own", "--chat-template", "").status == 0
        assert set_now() == others
    registry.add("own", model, None, OwnOptions(files))
    ran = cli("add", model, "own", *(word for row in rows for word in (row.flag, "")))
    assert (ran.status, ran.err) == (0, "")
    assert set_now() == switches
    assert cli("add", model, "own", "--no-pin", "--thinking").status == 0
    assert set_now() == {}
    assert cli("list", "--json").data["models"][0]["options"] == {}
    assert cli("add", model, "other", "--no-pin", "--thinking").status == 0
    assert registry.resolve("other").options.given() == {}, "there was nothing to take away"
    for language, words in (("en", "what takes --pin back"), ("ja", "--pin を取り消す")):
        assert words in cli("add", "--help", "--lang", language).out


def test_a_template_is_only_compiled(cli: Cli, work: Path) -> None:
    """One that would never end, and what Jinja has only by the extensions that chats have."""
    source = "{% generation %}{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"
    file = Gguf().with_pair("tokenizer.chat_template", STRING, source + "{% endgeneration %}").write(work / "x.gguf")
    assert cli("add", "--check", file, "--json").data["template_fault"] is None


def test_what_is_on_the_web_is_not_fetched(cli: Cli) -> None:
    ran = cli("add", "https://example.com/x.gguf", "x")
    assert (ran.status, ran.out) == (2, "")
    assert "https://example.com/x.gguf is not fetched for you" in ran.err
    assert "ダウンロードして" in cli("add", "HF://x/y.gguf", "x", "--lang", "ja").err


def test_an_empty_stop_string_is_told_as_such(cli: Cli, model: Path) -> None:
    ran = cli("add", model, "x", "</s>", "")
    assert (ran.status, ran.err) == (2, "error: A stop string is empty. Give it some text, or leave it out.\n")


def test_the_same_file_again_keeps_its_stop_strings(cli: Cli, model: Path, registry: Registry) -> None:
    for given, kept in ((["</s>"], ("</s>",)), ([], ("</s>",)), ([""], ())):
        assert cli("add", model, "small", *given, "--n-ctx", "128").status == 0
        assert registry.resolve("small").stop == kept
    assert '"" in place of a value takes one away' in " ".join(cli("add", "--help").out.split())


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


def test_settings_of_one_model(cli: Cli, model: Path, work: Path, registry: Registry) -> None:
    (work / "chat.jinja").write_text("{{ messages }}")
    ran = cli(
        "add", model, "small", "</s>", "--n-ctx", "512", "--n-gpu-layers", "-1", "--temperature", "0.70",
        "--frequency-penalty", "-0.5", "--chat-template", "chat.jinja", "--no-thinking",
    )  # fmt: skip
    assert ran.status == 0
    options = {
        "n_ctx": 512,
        "n_gpu_layers": -1,
        "chat_template": str(work / "chat.jinja"),
        "thinking": False,
        "temperature": 0.7,
        "frequency_penalty": -0.5,
    }
    assert registry.resolve("small").options.given() == options
    assert cli("list", "--json").data["models"][0]["options"] == options
    shown = cli("list").out
    assert "Settings" in shown.splitlines()[0]
    for cell in ("n_ctx=512", "n_gpu_layers=-1", "thinking=off", "temperature=0.7", "chat.jinja"):
        assert cell in shown.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--n-ctx", "15"), 2, "--n-ctx に「15」は使えません。使える値: 16 … 16777216"),
        (("--n-ctx", "many"), 2, "--n-ctx に「many」は使えません"),
        (
            ("--lora", "a.gguf:1000"),
            2,
            "--lora に「a.gguf:1000」は使えません。使える値: GGUF[:SCALE] (-100 … 100; ≤ 16)",
        ),
        (("--rope-scale", "2"), 2, "--rope-scaling。none、linear、yarn）もあわせて"),
        (("--temperature", "nan"), 2, "--temperature に「nan」は使えません。使える値: 0.0 … 2.0"),
        (("--chat-template", "none.jinja"), 1, "none.jinja を読めません"),
        (("--chat-template", "raw.jinja"), 1, "UTF-8 のテキストになっていません"),
    ],
)
def test_a_bad_setting_is_told_with_what_is_allowed(
    arguments: tuple[str, ...], status: int, words: str, cli: Cli, model: Path, work: Path, registry: Registry
) -> None:
    (work / "raw.jinja").write_bytes(b"\xff")
    ran = cli("add", model, "small", *arguments, "--lang", "ja")
    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err
    assert not registry.file.exists()


def test_a_scale_of_positions_comes_with_the_way_to_tell_them(
    cli: Cli, model: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("add", model, "small", "--rope-scale", "2", "--rope-scaling", "yarn").status == 0
    assert registry.resolve("small").options.given() == {"rope_scaling": "yarn", "rope_scale": 2.0}
    monkeypatch.setenv("ROPE_SCALING", "linear")
    assert cli("add", model, "small", "--rope-scale", "2").status == 0, "the general setting says how"


def test_scales_are_shown_short() -> None:
    given = {"lora": ["/m/style.gguf:0.800000", "/m/b.gguf:1.000000"], "control_vector": ["/m/calm.gguf:-1.000000"]}
    assert shown(given) == "lora=style.gguf:0.8,b.gguf:1 control_vector=calm.gguf:-1"


def test_check_says_what_a_model_can_be_used_for(cli: Cli, work: Path) -> None:
    made = Gguf()
    embeds = made.with_pair("llama.attention.causal", BOOL, False).write(work / "embeds.gguf")
    ranks = made.with_pair("llama.pooling_type", U32, 4).write(work / "ranks.gguf")
    bare = made.without("tokenizer.chat_template").without("tokenizer.ggml.tokens").write(work / "bare.gguf")
    for file, words in (
        (embeds, "can be used for embeddings."),
        (ranks, "can be used to rerank."),
        (bare, "cannot be used to chat as it is."),
    ):
        out = cli("add", "--check", file).out
        assert out.startswith(f"{file} {words}\n")
        assert "can be used to chat" not in out


def test_check_only_looks(cli: Cli, model: Path, registry: Registry) -> None:
    ran = cli("add", "--check", model)
    assert ran.status == 0
    assert ran.out.startswith(f"{model} can be used to chat.\n  llama · 320 · Q8_0 · 1.22 KiB\n")
    assert "Memory it needs, estimated (context of 512 tokens): 48." in ran.out
    assert "It fits." in ran.out or "It does not fit" in ran.out or "cannot be told" in ran.out
    japanese = cli("add", "--check", model, "--lang", "ja").out
    assert "は会話に使えます。" in japanese
    assert "必要なメモリの見積もり（文脈長 512）" in japanese
    assert not registry.file.exists()


def test_check_json(cli: Cli, model: Path) -> None:
    data = cli("add", model, "--check", "--n-ctx", "256", "--json").data
    assert (data["file"], data["parts"], data["chat_template"]) == (str(model), 1, True)
    memory = data["memory"]
    assert memory["n_ctx"] == 256
    assert memory["total"] == memory["weights"] + memory["kv_cache"] + memory["compute"]
    assert memory["draft"] == 0
    assert memory["weights"] == model.stat().st_size
    if sys.platform == "linux":
        assert memory["fits"] is (memory["total"] <= memory["available"])


def test_check_counts_a_draft_model(cli: Cli, model: Path) -> None:
    alone = cli("add", model, "--check", "--json").data["memory"]
    both = cli("add", model, "--check", "--json", "--draft", model).data["memory"]
    assert both["draft"] > model.stat().st_size
    assert both["total"] == alone["total"] + both["draft"]
    assert "draft model" in cli("add", model, "--check", "--draft", model).out


def test_check_says_when_it_does_not_fit(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for available, words, fits in ((2**20, "It does not fit", False), (2**40, "It fits", True), (0, "cannot be", None)):
        monkeypatch.setattr("hoshikage.cli.estimate.available_memory", lambda given=available: given)
        assert words in cli("add", "--check", model).out
        assert cli("add", "--check", model, "--json").data["memory"]["fits"] is fits


def test_check_refuses_what_add_refuses(cli: Cli, work: Path) -> None:
    bad = Gguf().with_pair("general.type", STRING, "adapter").write(work / "bad.gguf")
    ran = cli("add", "--check", bad)
    assert (ran.status, ran.out) == (2, "")
    assert "it is: adapter" in ran.err


def test_a_split_model_is_registered_by_any_part(cli: Cli, work: Path, registry: Registry) -> None:
    for number in (0, 1):
        made = Gguf() if number == 0 else Gguf(pairs=[])
        made = made.with_pair("split.no", U16, number).with_pair("split.count", U16, 2)
        made.with_pair("split.tensors.count", I32, 4).write(work / f"big-0000{number + 1}-of-00002.gguf")
    ran = cli("add", "big-00002-of-00002.gguf", "big")
    assert ran.out.startswith(f"Registered: big → {work}/big-00001-of-00002.gguf\n  llama · 640 · Q8_0")
    (row,) = cli("list", "--json").data["models"]
    both = sum(file.stat().st_size for file in work.glob("big-*.gguf"))
    assert (row["n_params"], row["size_bytes"], row["state"]) == (640, both, "usable")
    assert cli("add", "--check", "big-00001-of-00002.gguf", "--json").data["parts"] == 2
    (work / "big-00002-of-00002.gguf").unlink()
    assert "A part of the split model is missing" in cli("list").out
    assert cli("add", "big-00001-of-00002.gguf", "again").status == 2


def test_models_of_the_folder_are_listed_without_a_look_inside(
    cli: Cli, model: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = work / "models"
    folder.mkdir()
    (folder / "星 found.gguf").write_bytes(b"not looked into")
    monkeypatch.setenv("MODEL_DIR", str(folder))
    cli("add", model, "small")
    _, found = cli("list", "--json").data["models"]
    assert (found["label"], found["source"], found["state"], found["size_bytes"]) == (
        "model-found",
        "folder",
        "found",
        15,
    )
    assert "in MODEL_DIR" in cli("list").out
    assert "MODEL_DIR 内" in cli("list", "--lang", "ja").out
