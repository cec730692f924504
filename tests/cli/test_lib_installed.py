"""Tests `hoshikage lib list`, `use`, `rollback`, `rm`, `check`, `install --name`, through main, with real libraries."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hoshikage.cli.main import main
from hoshikage.library import library_state
from hoshikage.library.library_state import Fallback
from hoshikage.settings import config_dir

pytestmark = pytest.mark.native


@pytest.fixture
def lib_dir(home: Path) -> Path:
    folder = config_dir() / "lib"
    assert home in folder.parents
    return folder


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(["lib", *argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def data(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    status, out, _ = run(capsys, *argv, "--json")
    return status, json.loads(out)


def in_use(capsys: pytest.CaptureFixture[str]) -> Any:
    return data(capsys, "list")[1]["in_use"]


def test_install_use_rollback_and_removal(
    lib_dir: Path, libraries: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert "`hoshikage lib install`" in out
    _, first = data(capsys, "install", "--name", "old", "--from", str(libraries["b6301"]))
    assert first["notes"] == ["There was no other, so “old” is in use."]
    _, second = data(capsys, "install", "--name", "new", "--from", str(libraries["v0.5.0"]))
    assert second["notes"] == ["To use it: hoshikage lib use new"]
    assert second["file"] == str(lib_dir.parent / "lib-slots" / "new" / libraries["v0.5.0"].name)
    assert in_use(capsys) == "old"
    _, listed = data(capsys, "list")
    assert [(row["name"], row["release"], row["usable"], row["backends"]) for row in listed["libraries"]] == [
        ("new", "v0.5.0", True, ["cpu"]),
        ("old", "b6301", True, ["cpu"]),
    ]
    assert all(row["size_bytes"] > 1_000_000 for row in listed["libraries"])
    status, out, _ = run(capsys, "use", "new")
    assert (status, out) == (0, "From the next load on, “new” (v0.5.0) is used.\n")
    assert in_use(capsys) == "new"
    assert run(capsys, "rollback")[1] == "From the next load on, “old” (b6301) is used.\n"
    assert run(capsys, "rollback")[1] == "From the next load on, “new” (v0.5.0) is used.\n"
    status, _, err = run(capsys, "rm", "new")
    assert (status, "is in use" in err) == (2, True)
    assert run(capsys, "rm", "old")[0] == 0
    assert [row["name"] for row in data(capsys, "list")[1]["libraries"]] == ["new"]
    status, _, err = run(capsys, "rollback")
    assert (status, "nothing to go back to" in err) == (1, True)


def test_dropped_in_by_hand_it_is_in_use_and_install_without_a_name_too(
    lib_dir: Path, libraries: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "install", "--name", "named", "--from", str(libraries["v0.5.0"]))
    shutil.copytree(libraries["b6301"].parent, lib_dir)
    assert in_use(capsys) == "lib"
    assert run(capsys, "use", "named")[0] == 0
    assert in_use(capsys) == "named"
    assert run(capsys, "install", "--from", str(libraries["b8390"]))[0] == 0
    assert in_use(capsys) == "lib"


def test_back_to_the_library_that_an_installation_took_the_place_of(
    lib_dir: Path, libraries: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "install", "--from", str(libraries["v0.5.0"]))[0] == 0
    assert run(capsys, "rollback")[0] == 1
    assert run(capsys, "install", "--from", str(libraries["b8390"]))[0] == 0
    assert run(capsys, "rollback")[1].endswith("(v0.5.0) is used.\n")
    assert run(capsys, "rollback")[1] == "From the next load on, “lib” (b8390) is used.\n"
    assert run(capsys, "install", "--from", str(libraries["b6301"]))[0] == 0
    kept = list((library_state.home(lib_dir) / ".kept").iterdir())
    assert len(kept) <= 2
    assert run(capsys, "rollback")[1].endswith("(b8390) is used.\n")
    assert run(capsys, "install", "--name", "named", "--from", str(libraries["v0.5.0"]))[0] == 0
    run(capsys, "use", "named")
    run(capsys, "install", "--from", str(libraries["b8390"]))
    assert run(capsys, "rollback")[1] == "From the next load on, “named” (v0.5.0) is used.\n"


def test_a_library_that_cannot_be_used_is_not_chosen(
    lib_dir: Path, library_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "install", "--name", "good", "--from", str(library_file))
    shutil.copytree(library_state.folder(lib_dir, "good"), library_state.folder(lib_dir, "bad"))
    library_state.folder(lib_dir, "bad").joinpath("libggml-base.so").unlink()
    library_state.folder(lib_dir, "hollow").mkdir()
    status, _, err = run(capsys, "use", "bad")
    assert status == 1
    assert "“bad” cannot be used, so nothing was changed" in err
    assert "libggml-base.so" in err
    assert run(capsys, "use", "hollow")[0] == 1
    assert run(capsys, "use", "absent")[0] == 1
    assert in_use(capsys) == "good"
    _, listed = data(capsys, "list")
    assert {row["name"]: row["usable"] for row in listed["libraries"]} == {"bad": False, "good": True, "hollow": False}
    assert {row["name"]: row["status"] for row in listed["libraries"]} == {
        "bad": "refused", "good": "usable", "hollow": "empty"
    }  # fmt: skip
    assert [row["key"] for row in listed["libraries"]] == ["lacks.needs_part", "", ""]
    status, out, _ = run(capsys, "list", "--lang", "ja")
    assert status == 0
    assert "使えます" in out
    assert "libggml-base.so" in out
    assert "libllama がありません" in out


def test_check_takes_a_path_a_name_or_what_is_in_use(
    lib_dir: Path, libraries: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = data(capsys, "check", str(libraries["b8390"].parent.parent.parent))
    assert (status, found["release"], found["usable"], found["lacks"]) == (0, "b8390", True, [])
    assert found["devices"][0]["name"] == "CPU"
    run(capsys, "install", "--name", "named", "--from", str(libraries["v0.5.0"]))
    assert data(capsys, "check", "named")[1]["file"] == data(capsys, "check")[1]["file"]
    status, out, _ = run(capsys, "check", str(lib_dir / "nothing"))
    assert status == 1
    assert "does not exist" in out
    assert str(lib_dir / "nothing") in out


def test_what_was_taken_back_is_told(lib_dir: Path, library_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "install", "--from", str(library_file))
    fallen = Fallback(
        "lib", "b9999", "/x/libllama.so", "library.hung", {"path": "/x", "seconds": 5}, "then", "", "b8390"
    )
    library_state.change(lib_dir, lambda state: replace(state, fallen=fallen))
    for argv in ((), ("list",)):
        status, out, _ = run(capsys, *argv)
        assert status == 0
        said = " ".join(out.split())
        assert "then: b9999 (/x/libllama.so) failed to load a model, so Hoshikage went back to b8390." in said
    assert main(["doctor"]) in (0, 1)
    assert "b9999 (/x/libllama.so) failed to load a model" in " ".join(capsys.readouterr().out.split())
    run(capsys, "use", "lib")
    assert data(capsys, "list")[1]["notes"] == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["use", "../lib"], 2),
        (["use", "kept:zz"], 2),
        (["use", "absent"], 1),
        (["rm", "absent"], 1),
        (["use"], 2),
        (["install", "--name", "lib", "--from", "x"], 2),
        (["install", "--name", "a/b", "--from", "x"], 2),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], language: str, argv: list[str], status: int) -> None:
    got, out, err = run(capsys, *argv, "--lang", language)
    assert (got, out) == (status, "")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.usefixtures("lib_dir")
def test_now_without_a_server(library_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "install", "--name", "one", "--from", str(library_file))
    status, out, _ = run(capsys, "use", "one", "--now", "--port", "9")
    assert status == 0
    assert out.endswith("No server is running.\n")
