"""Tests the clone's environment: a stand-in for pip writes down what it is asked, in a real virtual environment."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import bootstrap
from screen import ROOT, Refused, Screen

pytestmark = pytest.mark.process

PIP = """
import json, pathlib, sys
here = pathlib.Path(__file__).parent
if __name__ == "__main__":
    with (here / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\\n")
    print("  Downloading thing-1.0-py3-none-any.whl.metadata (3 kB)")
    print("  Downloading thing-1.0-py3-none-any.whl (1.5 MB)")
    if (here / "broken").exists():
        print("ERROR: no network")
        sys.exit(3)
"""


@pytest.fixture
def screen() -> Screen:
    return Screen("en")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Makes a virtual environment whose pip is PIP."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    (_site(folder) / "pip.py").write_text(PIP)
    return folder


def _site(folder: Path) -> Path:
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    python = bootstrap.Environment(folder).python
    return Path(subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip())


def _calls(folder: Path) -> list[list[str]]:
    file = _site(folder) / "calls.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_first_run_installs_and_a_second_does_not(
    screen: Screen, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, changed = bootstrap.prepare(screen, (), folder)
    assert changed
    assert environment.python.is_file()
    (call,) = _calls(folder)
    assert call[0] == "install"
    assert call[-4:] == ["-e", str(ROOT), "-e", str(ROOT / "demo")]
    assert capsys.readouterr().out.split("\n") == ["      thing-1.0-py3-none-any.whl (1.5 MB)", ""]
    assert bootstrap.prepare(screen, (), folder) == (environment, False)
    assert len(_calls(folder)) == 1


def test_extras_are_added_and_stay(screen: Screen, folder: Path) -> None:
    bootstrap.prepare(screen, ("test",), folder)
    assert not bootstrap.prepare(screen, (), folder)[1]
    assert bootstrap.prepare(screen, ("dev",), folder)[1]
    assert not bootstrap.prepare(screen, ("test", "dev"), folder)[1]
    assert [call[-3] for call in _calls(folder)] == [f"{ROOT}[test]", f"{ROOT}[dev,test]"]


def test_another_requirement_installs_anew(
    screen: Screen, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    for name in bootstrap.READ_BY_PIP:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(bootstrap, "ROOT", clone)
    assert bootstrap.prepare(screen, (), folder)[1]
    assert not bootstrap.prepare(screen, (), folder)[1]
    with (clone / "setup.cfg").open("a") as setup:
        setup.write("# one more requirement\n")
    assert bootstrap.prepare(screen, (), folder)[1]


def test_a_failed_install_says_why_and_is_tried_again(screen: Screen, folder: Path) -> None:
    broken = _site(folder) / "broken"
    broken.touch()
    with pytest.raises(Refused) as refused:
        bootstrap.prepare(screen, (), folder)
    assert refused.value.key == "pip_failed"
    assert refused.value.details["status"] == 3
    assert "ERROR: no network" in str(refused.value.details["output"])
    broken.unlink()
    assert bootstrap.prepare(screen, (), folder)[1]


def test_a_broken_environment_is_made_anew(screen: Screen, folder: Path) -> None:
    python = bootstrap.Environment(folder).python
    python.unlink()
    python.write_text("not a program")
    bootstrap._make(bootstrap.Environment(folder))
    done = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, text=True, check=True)
    assert str(folder) in done.stdout


def test_a_folder_of_somebody_else_is_left_alone(screen: Screen, tmp_path: Path) -> None:
    thesis = tmp_path / "venv" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(Refused) as refused:
        bootstrap.prepare(screen, (), thesis.parent)
    assert refused.value.key == "venv_in_the_way"
    assert thesis.read_text() == "years of work"
