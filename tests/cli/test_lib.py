"""Tests `hoshikage lib` and `hoshikage lib install`, through main, with a real library and with a stand-in for the
check."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from hoshikage.cli.main import main
from hoshikage.library import child
from hoshikage.settings import config_dir

STAND_IN = Path(__file__).parent.parent / "library" / "stand_in.py"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every library is accepted; what the check process itself finds is tested with it."""
    answer_with("accept", monkeypatch)


def answer_with(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "command", lambda module, seconds: [sys.executable, "-SE", str(STAND_IN), mode])


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(argv)
    said = capsys.readouterr()
    return status, said.out, said.err


def data(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    status, out, _ = run(capsys, *argv, "--json")
    return status, json.loads(out)


@pytest.fixture
def lib_dir(home: Path) -> Path:
    folder = config_dir() / "lib"
    assert home in folder.parents
    return folder


@pytest.mark.usefixtures("check")
def test_install_then_show(lib_dir: Path, library_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "lib", "install", "--from", str(library_file))
    file = lib_dir / library_file.name
    assert status == 0
    assert file.is_file()
    assert out.startswith(f"Installed: {file}\n")
    assert err == f"Trying {library_file.name}\n"
    status, out, err = run(capsys, "lib")
    assert (status, err) == (0, "")
    shown = [line.split("  ", 1) for line in out.splitlines()]
    rows = [(words[0].strip(), words[-1].strip()) for words in shown]
    assert rows == [
        ("found by", "the config folder's lib"),
        ("file", str(file)),
        ("llama.cpp release", "v0.5.0"),
        ("came from", str(library_file.parent)),
        ("backends", "cpu"),
        ("devices", "CPU (cpu): a processor, 2 B"),
        ("size", rows[6][1]),
        ("layouts", "mdl-X, ctx-Y"),
        ("verdict", "usable (the golden run's tokens agree)"),
    ]


@pytest.mark.usefixtures("check")
def test_json(lib_dir: Path, library_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, installed = data(capsys, "lib", "install", "--from", str(library_file.parent))
    assert status == 0
    assert installed["former_kept_at"] is None
    status, shown = data(capsys, "lib")
    assert (status, shown["installed"], shown["source"], shown["usable"]) == (0, True, "config", True)
    assert shown["file"] == str(lib_dir / library_file.name)
    assert (shown["release"], shown["origin"]) == ("v0.5.0", str(library_file.parent))
    assert shown["devices"][0]["name"] == "CPU"
    assert shown["verdict"]["golden"] == "passed"
    assert shown["verdict"]["message"] == ""
    assert shown["size_bytes"] > 10_000_000
    for name in shown.keys() & installed.keys():
        assert shown[name] == installed[name]


@pytest.mark.process
@pytest.mark.usefixtures("home")
def test_nothing_installed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.library.locate.STANDARD", {})
    monkeypatch.setattr("hoshikage.library.locate._linker_files", lambda platform: [])
    status, out, _ = run(capsys, "lib")
    assert status == 1
    assert "`hoshikage lib install`" in out
    assert str(config_dir() / "lib") in out
    status, shown = data(capsys, "lib")
    assert status == 1
    assert (shown["installed"], shown["usable"], shown["error"]["key"]) == (False, False, "library.missing")
    status, out, _ = run(capsys, "lib", "--lang", "ja")
    assert "libllama が見つかりません" in out


@pytest.mark.process
def test_something_broken_installed(lib_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lib_dir.mkdir(parents=True)
    (lib_dir / "libllama.so").write_text("Not found")
    status, out, _ = run(capsys, "lib")
    assert status == 1
    assert str(lib_dir / "libllama.so") in out
    assert "found: text" in out


def test_a_refused_library_is_shown_with_its_reason(
    lib_dir: Path, library_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(library_file.parent, lib_dir)
    answer_with("crash", monkeypatch)
    status, out, _ = run(capsys, "lib")
    assert status == 1
    assert "not usable: The library " in out
    assert "SIGKILL: the last words" in out
    assert "put there by hand" in out
    status, shown = data(capsys, "lib")
    assert (status, shown["installed"], shown["usable"]) == (1, True, False)
    assert shown["verdict"]["key"] == "library.crashed"


def test_a_refused_installation(
    lib_dir: Path, library_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with("crash", monkeypatch)
    status, out, err = run(capsys, "lib", "install", "--from", str(library_file))
    assert (status, out) == (1, "")
    assert "was not installed" in err
    assert f"The library {library_file.name} crashed" in err
    assert not lib_dir.exists()


def test_the_former_folder_of_a_person(
    lib_dir: Path,
    library_file: Path,
    capsys: pytest.CaptureFixture[str],
    check: None,
) -> None:
    lib_dir.mkdir(parents=True)
    (lib_dir / "notes.txt").write_text("mine")
    status, out, _ = run(capsys, "lib", "install", "--from", str(library_file))
    kept = next(lib_dir.parent.glob("lib-by-hand-*"))
    assert status == 0
    assert str(kept) in out
    assert (kept / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("home", "check")
def test_notes(
    library_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library_file))
    _, installed = data(capsys, "lib", "install", "--from", str(library_file))
    assert [note.partition(" ")[0] for note in installed["notes"]] == ["Note:", "This"]
    assert f"HOSHIKAGE_LIB_PATH names {library_file}" in installed["notes"][0]
    assert "--backend cuda" in installed["notes"][1]
    folder = tmp_path / "set"
    folder.mkdir()
    shutil.copyfile(library_file, folder / "libllama.so")
    shutil.copyfile(library_file, folder / "libggml-cuda.so")
    monkeypatch.delenv("HOSHIKAGE_LIB_PATH")
    _, installed = data(capsys, "lib", "install", "--from", str(folder))
    assert len(installed["notes"]) == 1
    assert "finds no GPU" in installed["notes"][0]


@pytest.mark.process
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["--from", "absent.zip"], 1),
        (["--from", "http://example.com/a.zip"], 1),
        (["--from", "x", "--backend", "cpu"], 2),
        (["--from", "x", "--release", "b8390"], 2),
        (["--release", "newest"], 2),
        (["--backend", "tpu"], 2),
    ],
)
def test_wrong_orders(capsys: pytest.CaptureFixture[str], language: str, argv: list[str], status: int) -> None:
    got, out, err = run(capsys, "--lang", language, "lib", "install", *argv)
    assert (got, out) == (status, "")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.usefixtures("home")
def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "lib", "install", "--help")
    assert status == 0
    for option in ("--backend", "--release", "--from", "--json"):
        assert option in out


@pytest.mark.usefixtures("home", "check")
def test_progress_on_a_terminal(
    library_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = shutil.make_archive(str(tmp_path / "set"), "zip", library_file.parent)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    status, out, err = run(capsys, "lib", "install", "--from", made)
    assert status == 0
    assert "Unpacking set.zip" in err
    assert "Unpacking" not in out


def test_a_library_named_by_a_foreign_folder_is_not_loaded(
    lib_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody types `hoshikage lib` in a folder that came with a `.env` and a library."""
    work = tmp_path / "cloned"
    (work / "lib").mkdir(parents=True)
    (work / "lib" / "libllama.so").write_text("code")
    (work / ".env").write_text("HOSHIKAGE_LIB_PATH=./lib\n")
    monkeypatch.chdir(work)
    monkeypatch.setattr("hoshikage.library.locate.STANDARD", {})
    monkeypatch.setattr("hoshikage.library.locate._linker_files", lambda platform: [])
    status, out, err = run(capsys, "lib")
    assert status == 1
    assert str(work / "lib") not in out
    assert err.startswith(f"warning: HOSHIKAGE_LIB_PATH in {work / '.env'} has no effect")
    assert str(lib_dir.parent / ".env") in err


@pytest.mark.usefixtures("check")
def test_the_size_is_one_everywhere_and_counts_the_second_build(
    lib_dir: Path, library_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(library_file.parent, folder)
    (folder / "fallback").mkdir()
    shutil.copyfile(library_file, folder / "fallback" / "libggml-cuda.so")
    _, installed = data(capsys, "lib", "install", "--from", str(folder))
    whole = sum(path.stat().st_size for path in lib_dir.rglob("*") if path.name != "library.json" and path.is_file())
    _, shown = data(capsys, "lib")
    _, listed = data(capsys, "lib", "list")
    assert [installed["size_bytes"], shown["size_bytes"], listed["libraries"][0]["size_bytes"]] == [whole] * 3
    words = f"{whole / (1 << 20):.1f} MiB"
    assert words in run(capsys, "lib")[1]
    assert words in run(capsys, "lib", "list")[1]
