"""Tests the command line itself: help, wrong use, languages, what is imported, and ends that are not success."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from hoshikage import __version__
from hoshikage.cli import result, serve
from hoshikage.cli.context import CommandContext
from hoshikage.cli.main import COMMANDS
from hoshikage.cli.parser import wrap
from hoshikage.errors import LibraryMissing
from hoshikage.library import locate
from hoshikage.registry import Registry
from hoshikage.settings import load
from tests.cli.conftest import Cli, Running

LAZY = ("rich", "numpy", "jinja2", "hoshikage.gguf", "hoshikage.cli.list", "hoshikage.cli.chat", "hoshikage.library")
IMPORTS_OF_SERVE = """
import sys, types
served = types.ModuleType("hoshikage.protocols.app")
served.request_id = lambda: ""
served.serve = lambda settings, *_: print(settings.port, *sorted(sys.modules))
room = types.ModuleType("hoshikage.protocols")
own = types.ModuleType("hoshikage.protocols.hoshikage")
insight = types.ModuleType("hoshikage.protocols.hoshikage.insight")
insight.Insight = lambda *_: None
room.__path__ = own.__path__ = []
for module in (room, own, insight):
    sys.modules[module.__name__] = module
sys.modules["hoshikage.protocols.app"] = served
from hoshikage.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def python(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("language", ["ja", "en"])
def test_help_names_every_command_in_the_language(language: str, cli: Cli) -> None:
    ran = cli("--lang", language, "--help")
    assert ran.status == 0
    assert ran.out.startswith("使い方: hoshikage" if language == "ja" else "usage: hoshikage")
    for name in COMMANDS:
        assert f"\n    {name} " in ran.out
    for english in ("positional arguments", "show this help message"):
        assert english not in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, cli: Cli) -> None:
    ran = cli(name, "--help", "--lang", "ja")
    assert ran.status == 0
    assert ran.out.startswith(f"使い方: hoshikage {name} ")


def test_help_and_version_work_with_a_bad_setting(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    assert cli("--help").status == 0
    assert cli("--version").out == f"{__version__}\n"
    ran = cli("list")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "error: Setting PORT cannot be “x” (from: environment). Allowed: 0 … 65535\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lst"], "There is no command “lst”. Did you mean “list”? See: hoshikage --help"),
        (["frobnicate"], "There is no command “frobnicate”. See: hoshikage --help"),
        (["add", "x"], "Missing arguments: LABEL (usage: hoshikage add --help)"),
        (["rm"], "Missing arguments: LABEL (usage: hoshikage rm --help)"),
        (["list", "x", "--y"], "Unknown arguments: x --y (usage: hoshikage list --help)"),
        (["persona", "rm", "x", "--y"], "Unknown arguments: --y (usage: hoshikage persona rm --help)"),
        (["--y"], "Unknown arguments: --y (usage: hoshikage --help)"),
        (["--port"], "--port needs a value (usage: hoshikage --help)"),
        (["lib", "install", "--backend", "abacus"], "--backend cannot be “abacus”. Allowed: "),
    ],
)
def test_wrong_use_is_one_line_and_status_2(arguments: list[str], message: str, cli: Cli) -> None:
    ran = cli(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1


def test_common_options_stand_anywhere(cli: Cli) -> None:
    for arguments in (["--port", "4", "config", "--json"], ["config", "--json", "--port=4"]):
        values = {row["name"]: row for row in cli(*arguments).data["settings"]}
        assert (values["PORT"]["value"], values["PORT"]["source"]) == (4, "flag")


@pytest.mark.process
def test_arguments_stand_behind_options_too(cli: Cli, model: Path, registry: Registry) -> None:
    assert cli("add", model, "--n-ctx", "512", "a", "</s>").status == 0
    assert cli("add", model, "b", "--n-ctx", "512", "</s>").status == 0
    assert registry.resolve("a").options == registry.resolve("b").options
    assert registry.resolve("a").stop == registry.resolve("b").stop == ("</s>",)
    assert cli("alias", "x1", "--json", "a").data["name"] == "x1"


@pytest.mark.process
def test_after_two_dashes_nothing_is_an_option(cli: Cli, model: Path, registry: Registry) -> None:
    assert cli("add", model, "a", "--", "--port", "-x").status == 0
    assert registry.resolve("a").stop == ("--port", "-x")


def test_the_language_is_the_flags_then_the_environments_then_the_files(
    cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / ".env").write_text("HOSHIKAGE_LANG=en\n")
    assert cli("lst", "--lang", "ja").err.startswith("エラー: ")
    monkeypatch.delenv("HOSHIKAGE_LANG")
    assert cli("lst").err.startswith("error: ")
    (work / ".env").unlink()
    assert cli("lst").err.startswith("エラー: ")
    assert cli("--lang", "fr", "list").status == 2


def test_an_error_in_the_common_options_speaks_the_environments_language(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSHIKAGE_LANG", "en")
    for arguments in (("--port", "99999"), ("--port", "abc"), ("--lang", "de"), ("list", "--port", "x")):
        ran = cli(*arguments)
        assert (ran.status, ran.err[:15]) == (2, "error: Setting ")
    assert cli("--port", "x", "--lang", "ja").err.startswith("エラー: ")
    monkeypatch.delenv("HOSHIKAGE_LANG")
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert cli("--port", "x").err.startswith("error: ")


def test_what_is_doubtful_in_a_file_is_a_warning_beside_the_answer(cli: Cli, work: Path) -> None:
    (work / ".env").write_text("TEMPRATURE=0.5\n")
    ran = cli("config", "--json")
    assert (ran.status, ran.err) == (
        0,
        f"warning: {work}/.env has TEMPRATURE, which is no setting. Did you mean TEMPERATURE?\n",
    )
    assert ran.data
    (work / ".env").write_bytes("# 星影\n".encode("shift-jis"))
    ran = cli("config")
    assert ran.status == 2
    assert ran.err.startswith(f"error: {work}/.env is not UTF-8 at line 1 (byte ")


@pytest.mark.process
def test_serving_imports_no_other_command_and_nothing_heavy(work: Path) -> None:
    for arguments in ([], ["serve"], ["--port", "4000"]):
        done = python("-c", IMPORTS_OF_SERVE, *arguments)
        assert done.returncode == 0, done.stderr
        port, *modules = done.stdout.split()
        assert port == ("4000" if "4000" in arguments else "3030")
        assert [name for name in LAZY if name in modules] == []


@pytest.mark.process
def test_a_server_that_cannot_answer_says_so_and_what_to_do(work: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hoshikage", "--port", "0"],
        env={**os.environ, "HOSHIKAGE_LIB_PATH": "nowhere"},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert process.stderr is not None
        ready, library, models = (process.stderr.readline() for _ in range(3))
        assert "is ready" in ready
        assert library.startswith("warning: Chats cannot be answered. HOSHIKAGE_LIB_PATH names ")
        assert models.startswith("warning: There is no model yet. Register one with `hoshikage add")
    finally:
        process.terminate()
        process.communicate()


def test_a_server_without_a_library_names_the_command_that_installs_one(
    work: Path, registry: Registry, model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> NoReturn:
        raise LibraryMissing("library.missing")

    registry.add("one", model)
    monkeypatch.setattr(locate, "find", missing)
    loaded = load({}, {}, work)
    serve._warn(CommandContext(loaded.settings, loaded.sources, "en", {}))
    said = capfd.readouterr().err
    assert said.startswith("warning: There is no libllama yet")
    assert said.count("\n") == 1


@pytest.mark.process
def test_a_second_server_is_told_of_the_first(server: Running) -> None:
    done = python("-m", "hoshikage")
    assert done.returncode == 1
    assert f"error: Hoshikage is already running at 127.0.0.1:{server.port}" in done.stderr


@pytest.mark.process
def test_a_port_in_use_says_what_to_do(work: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = python("-m", "hoshikage", "--port", str(port))
    assert done.returncode == 1
    assert f"error: 127.0.0.1:{port} is in use by another program" in done.stderr
    assert f"--port {port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unforeseen_error_is_a_message_and_a_traceback_only_for_debugging(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("for the test")

    monkeypatch.setattr(result, "show", broken)
    ran = cli("config")
    assert ran.status == 1
    assert ran.err.startswith("error: Something unexpected went wrong (ZeroDivisionError: for the test).")
    assert "Traceback" not in ran.err
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert "Traceback" in cli("config").err


@pytest.mark.process
def test_a_reader_that_leaves_early_is_no_error(work: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "hoshikage", "config"], stdout=gone, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.process
def test_a_terminal_without_the_characters_gets_question_marks(work: Path) -> None:
    done = python("-m", "hoshikage", "list", "--lang", "ja", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "?" in done.stdout
    assert done.stderr == ""


def test_piped_output_is_not_cut_at_80_columns(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setenv("MODEL_MAP_FILE", "/" + "long/" * 40 + "model_map.json")
    assert "long/" * 40 in cli("config").out


def test_printable_takes_the_terminals_controls_out() -> None:
    assert result.printable("a\x1b[2Jb\x07\nc\t星\u3000影\r") == "a\ufffd[2Jb\ufffd\nc\t星\u3000影"
    assert result.printable("👩‍💻 é") == "👩‍💻 é"


def test_wrapping_counts_columns() -> None:
    assert wrap("星影は静かな Server です", 12) == ["星影は静かな", "Server です"]
    assert wrap("one two", 3) == ["one", "two"]
    assert wrap("", 10) == [""]


def test_config_says_where_each_value_comes_from(cli: Cli, work: Path) -> None:
    (work / ".env").write_text("N_CTX=512\n")
    data = cli("config", "--json", "--host", "localhost").data
    sources = {row["name"]: row["source"] for row in data["settings"]}
    assert sources["HOST"] == "flag"
    assert sources["HOSHIKAGE_LANG"] == "environment"
    assert sources["N_CTX"] == str(work / ".env")
    assert sources["PORT"] == "default"
    shown = cli("config", "--lang", "ja").out
    assert "環境変数" not in shown
    assert "コマンドの引数" in shown
    assert "既定値" in shown
    assert json.dumps(data)


def test_config_shows_values_as_they_are_written(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSOR_SPLIT", "3,1")
    rows = {words[0]: words[1:] for line in cli("config").out.splitlines() if (words := line.split())}
    assert rows["USE_MMAP"][0] == "on"
    assert rows["USE_MLOCK"][0] == "off"
    assert rows["TENSOR_SPLIT"][:2] == ["3,", "1"]
    monkeypatch.setenv("TENSOR_SPLIT", "half")
    assert "Allowed: X,Y,… (3,1 = 75 % + 25 %)" in cli("config").err
