"""Tests slots: which library is in use, that the latest deed wins, and what a kill or damage leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hoshikage.errors import LibraryUnavailable, NotFound, UsageError
from hoshikage.library import fingerprint, library_state, locate, staging, store
from hoshikage.library.library_state import LastGood, LibraryState, Selected

from .conftest import make


@pytest.fixture
def lib_dir(tmp_path: Path) -> Path:
    """Makes the config folder's lib, which is not there, and two named libraries."""
    config = tmp_path / "config"
    for name in ("one", "two"):
        make(config / "lib-slots" / name, f"libllama.{name}.so", "libggml.so")
    return config / "lib"


def found(lib_dir: Path) -> str:
    """Returns the name of the library in use."""
    return locate.find(None, lib_dir, {}, platform="linux", standard=(), linker_files=list).installed


def changed(file: Path) -> None:
    """Writes it anew, later than before."""
    before = file.stat().st_mtime_ns
    file.write_bytes(file.read_bytes() + b"!")
    os.utime(file, ns=(before + 10**9, before + 10**9))


def test_nothing_is_chosen_at_first(lib_dir: Path) -> None:
    with pytest.raises(LibraryUnavailable, match=r"library\.missing"):
        found(lib_dir)
    make(lib_dir, "libllama.so")
    assert found(lib_dir) == "lib"
    assert library_state.names(lib_dir) == ("lib", "one", "two")


def test_a_choice_holds_until_the_library_in_lib_changes(lib_dir: Path) -> None:
    store.use(lib_dir, "one")
    assert found(lib_dir) == "one"
    make(lib_dir, "libllama.so", "libggml.so")
    assert found(lib_dir) == "lib", "dropped in: it works"
    store.use(lib_dir, "two")
    assert found(lib_dir) == "two"
    (lib_dir / "notes.txt").write_text("no library")
    assert found(lib_dir) == "two"
    changed(lib_dir / "libggml.so")
    assert found(lib_dir) == "lib"
    store.use(lib_dir, "two")
    make(lib_dir, "libmtmd.so")
    assert found(lib_dir) == "lib"
    store.use(lib_dir, "two")
    make(lib_dir / "ggml" / "backends0", "libggml-cpu-x64.so")
    assert found(lib_dir) == "lib"
    store.use(lib_dir, "one")
    shutil.rmtree(lib_dir)
    assert found(lib_dir) == "one", "what is gone is no new library"
    store.use(lib_dir, "two")
    with pytest.raises(NotFound):
        store.use(lib_dir, "lib")


@pytest.mark.parametrize("way", ["copy over", "rename", "link elsewhere", "same size and time"])
def test_every_way_to_replace_is_noticed(way: str, lib_dir: Path, tmp_path: Path) -> None:
    make(tmp_path / "a", "libllama.so")
    make(tmp_path / "b", "libllama.so")
    make(lib_dir, "libllama.so")
    file = lib_dir / "libllama.so"
    if way == "link elsewhere":
        file.unlink()
        file.symlink_to(tmp_path / "a" / "libllama.so")
    before = fingerprint.look(file)
    store.use(lib_dir, "one")
    if way == "copy over":
        changed(file)
    elif way == "rename":
        changed(tmp_path / "a" / "libllama.so")
        (tmp_path / "a" / "libllama.so").replace(file)
    elif way == "link elsewhere":
        file.unlink()
        file.symlink_to(tmp_path / "b" / "libllama.so")
    else:  # another inode
        shutil.copy2(file, tmp_path / "same.so")
        (tmp_path / "same.so").replace(file)
    assert fingerprint.look(file) != before
    assert found(lib_dir) == "lib"


def test_a_chosen_library_that_is_gone_is_told_and_nothing_else_is_taken(lib_dir: Path) -> None:
    make(lib_dir, "libllama.so")
    store.use(lib_dir, "one")
    shutil.rmtree(library_state.folder(lib_dir, "one"))
    with pytest.raises(LibraryUnavailable) as caught:
        found(lib_dir)
    assert (caught.value.key, caught.value.details["name"]) == ("installed.empty", "one")
    store.use(lib_dir, "lib")
    assert found(lib_dir) == "lib"


@pytest.mark.process
def test_killed_at_any_step_the_old_or_the_new_choice_is_in_use(lib_dir: Path) -> None:
    seen, step, status = set(), 0, 9
    while status == 9:
        store.use(lib_dir, "one")
        command = [sys.executable, "-m", "tests.library.store_killed", str(lib_dir), "two", str(step)]
        status = subprocess.run(command, check=False, timeout=60).returncode
        assert status in (0, 9)
        seen.add(found(lib_dir))
        step += 1
    assert seen == {"one", "two"}
    assert found(lib_dir) == "two"
    assert step > 5


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"use": {"slot": "../../etc"}}', '{"use": {"slot": "../x", "lib_seen": ""}}', '{"good": 5}'],
)
def test_a_damaged_state_says_nothing(content: str, lib_dir: Path) -> None:
    make(lib_dir, "libllama.so")
    (library_state.home(lib_dir) / "state.json").write_text(content)
    assert found(lib_dir) == "lib"
    store.use(lib_dir, "one")
    assert found(lib_dir) == "one"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "lib", "LIB", "con", "NUL.1", "a.", "-a", "kept:x", "あ", "a" * 65]
)
def test_names_that_are_none(name: str, lib_dir: Path) -> None:
    with pytest.raises(UsageError):
        library_state.checked_name(name)


def test_names_of_libraries(lib_dir: Path) -> None:
    for name in ("cuda-12.4", "b8390", "A_b+c", "1", "a" * 64):
        assert library_state.checked_name(name) == name
    assert library_state.folder(lib_dir, "kept:0123abcd") == lib_dir.parent / "lib-slots" / ".kept" / "0123abcd"


def test_a_library_whose_name_begins_with_anothers(lib_dir: Path) -> None:
    """Leftovers are told apart by their whole name."""
    folder = library_state.folder(lib_dir, "one")
    other = folder.with_name(".one-new-two-new-0123abcd")
    other.mkdir()
    staging.tidy(folder)
    assert other.is_dir()


def test_the_ones_that_worked() -> None:
    good = [LastGood(str(number), "lib", f"b{number}", "then") for number in range(10)]
    state = LibraryState()
    for one in good:
        state = state.with_good(one)
    assert [one.fingerprint for one in state.good] == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert state.with_good(replace(good[9], at="now")) == state, "no write for the same library"
    assert state.with_good(good[4]).good[-1] == good[4]
    assert (state.is_good("9"), state.is_good("1")) == (True, False)


def test_back_to_the_one_that_worked_before(lib_dir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    def worked(name: str) -> str:
        kept = store.library(lib_dir, name)
        assert kept.file is not None
        content = fingerprint.of_set(kept.file, cache)
        library_state.change(lib_dir, lambda state: state.with_good(LastGood(content, name, name, "then")))
        return content

    one, two = worked("one"), worked("two")
    for current, name in ((two, "one"), (one, "two"), ("", "two")):
        former = store.previous(lib_dir, cache, current)
        assert former is not None
        assert former[1].name == name
    changed(library_state.folder(lib_dir, "one") / "libggml.so")
    assert store.previous(lib_dir, cache, two) is None, "its files are others by now"


def test_removal(lib_dir: Path) -> None:
    with pytest.raises(UsageError, match="in_use"):
        store.remove(lib_dir, "one", "one")
    kept = store.remove(lib_dir, "one", "two")
    assert kept is not None, "files that no installation put there are kept"
    assert (kept / "libllama.one.so").is_file()
    record = staging.InstallRecord("folder", "o", "two", ("cpu",), "then", {"libllama.two.so": "", "libggml.so": ""}, 1)
    staging.write_record(library_state.folder(lib_dir, "two"), record)
    assert store.remove(lib_dir, "two", "") is None
    assert not library_state.folder(lib_dir, "two").exists()
    with pytest.raises(NotFound):
        store.remove(lib_dir, "two", "")
    make(lib_dir, "libllama.so")
    with pytest.raises(UsageError, match="hand_not_removed"):
        store.remove(lib_dir, "lib", "")


def test_a_copy_is_made_once_and_has_its_own_content(lib_dir: Path, tmp_path: Path, library_file: Path) -> None:
    shutil.copytree(library_file.parent, lib_dir)
    file, cache = lib_dir / library_file.name, tmp_path / "cache"
    content = fingerprint.of_set(file, cache)
    copy = store.copied(file, content, lib_dir, cache, {})
    assert copy == library_state.folder(lib_dir, library_state.kept(content)) / file.name
    assert fingerprint.of_set(copy, cache) == content
    assert copy.stat().st_ino != file.stat().st_ino
    assert not (copy.parent / "llama-addon.node").exists()
    before = copy.stat().st_mtime_ns
    assert store.copied(file, content, lib_dir, cache, {}) == copy
    assert copy.stat().st_mtime_ns == before
    assert library_state.names(lib_dir)[-1] == library_state.kept(content)


def test_the_copy_of_a_library_of_any_name_is_known_chosen_and_removed(
    lib_dir: Path, tmp_path: Path, library_file: Path
) -> None:
    shutil.copytree(library_file.parent, tmp_path / "package")
    file = tmp_path / "package" / "engine.abi3.so"
    (tmp_path / "package" / library_file.name).rename(file)
    (file.parent / "libcudart.so.13").write_bytes(file.read_bytes())
    content = fingerprint.of_set(file, tmp_path / "cache")
    copy = store.copied(file, content, lib_dir, tmp_path / "cache", {})
    assert copy != file
    name = library_state.kept(content)
    known = store.library(lib_dir, name)
    assert (known.file, known.name) == (copy, name)
    assert known.size_bytes > 2 * file.stat().st_size
    store.use(lib_dir, name)
    located = locate.find(None, lib_dir, {}, standard=(), linker_files=list)
    assert (located.file, located.installed) == (copy, name)
    assert store.copied(copy, content, lib_dir, tmp_path / "cache", {}) == copy
    assert store.remove(lib_dir, name, "") is None
    assert not copy.parent.exists()


def test_a_set_that_is_found_only_from_where_it_is_stays_there(
    lib_dir: Path, tmp_path: Path, library_file: Path
) -> None:
    inner = tmp_path / "package" / "lib"
    shutil.copytree(library_file.parent, inner)
    (inner / "libggml-base.so").replace(tmp_path / "package" / "libggml-base.so")
    file = inner / library_file.name
    content = fingerprint.of_set(file, tmp_path / "cache")
    environ = {"LD_LIBRARY_PATH": str(tmp_path / "package")}
    assert store.copied(file, content, lib_dir, tmp_path / "cache", environ) != file
    shutil.rmtree(library_state.home(lib_dir))
    (inner / "libggml-base.so").symlink_to("../libggml-base.so")
    content = fingerprint.of_set(file, tmp_path / "cache")
    assert store.copied(file, content, lib_dir, tmp_path / "cache", {}) != file, "a link's content is copied"


def test_large_sets_and_unwritable_folders_are_loaded_in_place(
    lib_dir: Path, tmp_path: Path, library_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(library_file.parent, lib_dir)
    file = lib_dir / library_file.name
    content = fingerprint.of_set(file, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(store, "LARGEST_COPY", 1000)
        patch.setattr(store, "_cloned", lambda source, target: False)
        assert store.copied(file, content, lib_dir, tmp_path / "cache", {}) == file
        assert not any(library_state.home(lib_dir).glob(".kept/.*")), "nothing is left of the attempt"
    (library_state.home(lib_dir) / ".kept").rmdir()
    (library_state.home(lib_dir) / ".kept").write_text("a file in the way")
    assert store.copied(file, content, lib_dir, tmp_path / "cache", {}) == file


def test_files_that_change_under_the_copy_are_refused(lib_dir: Path, tmp_path: Path, library_file: Path) -> None:
    shutil.copytree(library_file.parent, lib_dir)
    file = lib_dir / library_file.name
    with pytest.raises(LibraryUnavailable) as caught:
        store.copied(file, "0" * 64, lib_dir, tmp_path / "cache", {})
    assert caught.value.key == "lacks.changing"


def test_few_copies_are_kept(lib_dir: Path) -> None:
    kept = library_state.home(lib_dir) / ".kept"
    for number in range(6):
        make(kept / f"{number:016x}", "libllama.so")
        os.utime(kept / f"{number:016x}", (number, number))
    library_state.change(lib_dir, lambda state: replace(state, use=Selected(f"kept:{0:016x}", "")))
    store.prune(lib_dir, f"{1:016x}" + "f" * 48)
    assert sorted(path.name for path in kept.iterdir()) == [f"{number:016x}" for number in (0, 1, 5)]
