"""Tests which library a load takes, and the one that worked last in its stead when a new one fails in its first
load."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hoshikage.errors import LibraryMissing, LibraryUnavailable, ModelCrashed, ModelLoadFailed, OutOfMemory, Unavailable
from hoshikage.library import child, library_state, store
from hoshikage.library.selection import Selection
from hoshikage.messages import LANGUAGES, text

from .conftest import STAND_IN, make

pytestmark = pytest.mark.process

CRASH = ModelCrashed("dispatch.crashed", reason="SIGSEGV")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes every check answer as the named mode of the stand-in."""

    def answer_with(mode: str) -> None:
        monkeypatch.setattr(child, "command", lambda module, seconds: [sys.executable, "-SE", str(STAND_IN), mode])

    answer_with("accept")
    return answer_with


@pytest.fixture
def selection(tmp_path: Path, answer: Callable[[str], None]) -> Selection:
    return Selection(None, tmp_path / "config" / "lib", tmp_path / "cache", {}, None, 20)


def drop(selection: Selection, name: str) -> Path:
    """Puts a library of that name into `lib`, in place of what was there."""
    shutil.rmtree(selection.lib_dir, ignore_errors=True)
    return make(selection.lib_dir, f"libllama.{name}.so", "libggml.so") / f"libllama.{name}.so"


def put(selection: Selection, name: str) -> Path:
    return (
        make(library_state.folder(selection.lib_dir, name), f"libllama.{name}.so", "libggml.so") / f"libllama.{name}.so"
    )


def test_a_load_takes_a_copy_and_is_told_what_people_know(selection: Selection) -> None:
    file = drop(selection, "b1000")
    choice = selection.current()
    assert (choice.found, choice.source, choice.installed, choice.release) == (file, "config", "lib", "b1000")
    assert choice.file.parent.parent == library_state.home(selection.lib_dir) / ".kept"
    assert choice.file.read_bytes() == file.read_bytes()
    assert selection.fallback() is None


def test_a_given_path_is_copied_too_and_never_passed_over(selection: Selection, tmp_path: Path) -> None:
    drop(selection, "b1000")
    selection.loaded(selection.current())
    given = make(tmp_path / "given", "libllama.so") / "libllama.so"
    named = replace(selection, lib_path=given)
    choice = named.current()
    assert (choice.found, choice.source, choice.installed) == (given, "HOSHIKAGE_LIB_PATH", "")
    assert choice.file != given
    assert named.alternative(choice, CRASH) is None
    copies = library_state.home(selection.lib_dir) / ".kept"
    for number in range(4):
        make(copies / f"{number:016x}", "libllama.so")
        os.utime(copies / f"{number:016x}", (number, number))
    named.loaded(choice)
    assert choice.file.exists()
    assert len([*copies.iterdir()]) <= store.COPIES
    assert [good.installed for good in library_state.read(selection.lib_dir).good] == ["lib"]


@pytest.mark.parametrize("error", [CRASH, ModelLoadFailed("engine.internal"), OutOfMemory("engine.internal")])
def test_a_new_library_that_fails_in_its_first_load_gives_way(
    selection: Selection, error: ModelCrashed | ModelLoadFailed | OutOfMemory
) -> None:
    drop(selection, "b1000")
    selection.loaded(selection.current())
    bad = drop(selection, "b2000")
    failed = selection.current()
    assert failed.release == "b2000"
    back = selection.alternative(failed, error)
    assert back is not None
    assert (back.release, back.installed.startswith("kept:")) == ("b1000", True)
    fallen = selection.taken_back(failed, back, error)
    assert (fallen.installed, fallen.release, fallen.file, fallen.to_release) == ("lib", "b2000", str(bad), "b1000")
    for language in LANGUAGES:
        words = text(language, fallen.key, **fallen.details)
        assert text(
            language, "installed.fallen", **said(fallen.release, fallen.file, words, fallen.to_release, fallen.at)
        )
    again = selection.current()
    assert again.fingerprint == back.fingerprint, "the next load takes it at once"
    selection.loaded(again)
    status = selection.fallback()
    assert status is not None
    assert (status.release, status.to_release) == ("b2000", "b1000")
    drop(selection, "b3000")
    new = selection.current()
    assert new.release == "b3000", "a new file has its own first load"
    selection.loaded(new)
    assert selection.fallback() is None


def said(release: str, file: str, reason: str, former: str, at: str) -> dict[str, str]:
    return {"release": release, "file": file, "reason": reason, "former": former, "at": at}


def test_a_library_that_worked_is_not_passed_over(selection: Selection) -> None:
    drop(selection, "b1000")
    selection.loaded(selection.current())
    drop(selection, "b2000")
    second = selection.current()
    selection.loaded(second)
    assert selection.alternative(second, CRASH) is None


def test_without_one_that_worked_there_is_no_way_back(selection: Selection) -> None:
    drop(selection, "b2000")
    assert selection.alternative(selection.current(), CRASH) is None


def test_a_refused_library_gives_way_too(selection: Selection, answer: Callable[[str], None]) -> None:
    put(selection, "good")
    store.use(selection.lib_dir, "good")
    selection.loaded(selection.current())
    drop(selection, "b2000")
    answer("crash")
    with pytest.raises(LibraryUnavailable) as caught:
        selection.current()
    answer("accept")
    back = selection.alternative(None, caught.value)
    assert back is not None
    assert back.installed == "good"
    fallen = selection.taken_back(None, back, caught.value)
    assert (fallen.installed, fallen.release, fallen.key) == ("lib", "b2000", "library.crashed")
    assert selection.current().installed == "good"


def test_a_file_that_is_no_library_gives_way_but_an_empty_folder_does_not(selection: Selection) -> None:
    drop(selection, "b1000")
    selection.loaded(selection.current())
    drop(selection, "b2000").write_text("Not found")
    with pytest.raises(LibraryUnavailable) as caught:
        selection.current()
    assert caught.value.key == "library.not_a_library"
    back = selection.alternative(None, caught.value)
    assert back is not None
    assert back.release == "b1000"
    shutil.rmtree(selection.lib_dir)
    missing = LibraryMissing("library.missing", looked="", variable="", command="")
    assert selection.alternative(None, missing) is None, "who takes a library away wants none"


def test_a_bad_model_is_no_fault_of_a_library_that_was_not_tried(selection: Selection) -> None:
    drop(selection, "b1000")
    selection.loaded(selection.current())
    drop(selection, "b2000")
    assert selection.alternative(None, ModelLoadFailed("engine.internal")) is None


def test_a_copy_is_what_the_way_back_needs_when_the_file_was_copied_over(selection: Selection) -> None:
    file = drop(selection, "b1000")
    first = selection.current()
    selection.loaded(first)
    file.write_bytes(file.read_bytes() + b"other")
    failed = selection.current()
    assert failed.fingerprint != first.fingerprint
    back = selection.alternative(failed, CRASH)
    assert back is not None
    assert (back.fingerprint, back.file) == (first.fingerprint, first.file)


def test_a_required_gpu_says_why_there_is_none(
    selection: Selection, answer: Callable[[str], None], tmp_path: Path
) -> None:
    drop(selection, "b1000")
    with pytest.raises(Unavailable) as caught:
        selection.current(require_gpu=True)
    assert (caught.value.key, caught.value.status) == ("lacks.gpu_not_built", 503)
    answer("gpu_by_content")
    cuda = selection.lib_dir / "libggml-cuda.so"
    make(selection.lib_dir, cuda.name)
    with pytest.raises(Unavailable) as caught:
        selection.current(require_gpu=True)
    assert (caught.value.key, caught.value.details["backends"]) == ("lacks.gpu_not_seen", "cuda")
    cuda.write_bytes(cuda.read_bytes() + b"works")
    assert "CUDA0" in [device.name for device in selection.current(require_gpu=True).devices]


@pytest.mark.skipif(sys.platform != "linux", reason="an ELF file is built")
def test_a_required_gpu_names_the_package_that_is_missing(selection: Selection, tmp_path: Path) -> None:
    from tests.native.bad_libraries import build

    drop(selection, "b1000")
    build(tmp_path / "libcudart.so.12", "void f(void) {}", "-Wl,-soname,libcudart.so.12")
    flags = ("-Wl,--no-as-needed", str(tmp_path / "libcudart.so.12"))
    build(selection.lib_dir / "libggml-cuda.so", "void f(void); void g(void) { f(); }", *flags)
    with pytest.raises(Unavailable) as caught:
        selection.current(require_gpu=True)
    assert (caught.value.key, caught.value.details["needs"]) == ("lacks.needs_package", "libcudart.so.12")
    assert caught.value.details["package"] == "pip install nvidia-cuda-runtime-cu12"
