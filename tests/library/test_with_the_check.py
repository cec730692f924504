"""The real check process judges and installs real libraries, and refuses files that only look like one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hoshikage.errors import LibraryUnavailable
from hoshikage.library import check_report, demo, install, sources
from hoshikage.messages import LANGUAGES, text

from .conftest import make

pytestmark = pytest.mark.native


@pytest.fixture
def built_in(demo_model: Path, golden: Path) -> demo.DemoModel:
    return demo.DemoModel("tiny", demo_model, golden)


def ignore(*told: object) -> None:
    return


def test_a_real_library_is_accepted_and_remembered(
    library_file: Path, tmp_path: Path, built_in: demo.DemoModel
) -> None:
    first = check_report.check(library_file, cache_dir=tmp_path, demo=built_in)
    assert (first.ok, first.golden, first.cached) == (True, "passed", False), first
    assert "cpu" in {device.kind for device in first.devices}
    assert first.model_layout
    assert first.context_layout
    again = check_report.check(library_file, cache_dir=tmp_path, demo=built_in)
    assert again.cached
    assert (again.devices, again.model_layout) == (first.devices, first.model_layout)


def test_the_working_folder_is_no_place_of_code(
    library_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("argparse", "json", "numpy", "hoshikage"):
        (tmp_path / f"{name}.py").write_text("import pathlib; pathlib.Path('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    assert check_report.check(library_file, cache_dir=tmp_path, demo=None).ok
    assert not (tmp_path / "ran").exists()


def test_installed_and_then_judged_in_its_place(
    libraries: dict[str, Path], home: Path, tmp_path: Path, built_in: demo.DemoModel
) -> None:
    """The oldest and newest go one over the other; the folder they came from is not needed any more."""
    bench = install.InstallContext(home / "lib", tmp_path / "cache")
    for release in (min(libraries, key=list(libraries).index), max(libraries, key=list(libraries).index)):
        copied = shutil.copytree(libraries[release].parent, tmp_path / release)
        done = install.install(sources.InstallRequest(origin=str(copied)), sources.market(os.environ, ignore), bench)
        shutil.rmtree(copied)
        given = check_report.check(done.file, cache_dir=tmp_path / "other", demo=built_in)
        assert (given.ok, given.golden) == (True, "passed"), given
        assert done.record.release == release


@pytest.mark.parametrize("damage", ["first bytes only", "truncated", "without ggml"])
def test_a_broken_library_is_refused_and_the_old_one_stays(library_file: Path, tmp_path: Path, damage: str) -> None:
    bench = install.InstallContext(tmp_path / "config" / "lib", tmp_path / "cache")
    market = sources.market(os.environ, ignore)
    former = install.install(sources.InstallRequest(origin=str(library_file)), market, bench)
    broken = tmp_path / "broken"
    if damage == "first bytes only":
        make(broken, "libllama.so")
    else:
        shutil.copytree(library_file.parent, broken, ignore=shutil.ignore_patterns("*ggml*"))
    if damage == "truncated":
        shutil.copytree(library_file.parent, broken, dirs_exist_ok=True)
        data = library_file.read_bytes()
        (broken / library_file.name).write_bytes(data[: len(data) // 2])
    with pytest.raises(LibraryUnavailable) as caught:
        install.install(sources.InstallRequest(origin=str(broken)), market, bench)
    for language in LANGUAGES:
        assert text(language, caught.value.key, **caught.value.details)
    assert former.file.is_file()
    assert check_report.check(former.file, cache_dir=tmp_path / "cache", demo=None).ok
