"""Tests the swap of the library folder, interrupted at each step, and what may be removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage.errors import InstallFailed
from hoshikage.library import locate, staging

from .conftest import make


@pytest.fixture
def lib_dir(tmp_path: Path) -> Path:
    return tmp_path / "config" / "lib"


def record(*names: str) -> staging.InstallRecord:
    return staging.InstallRecord(
        "folder", "somewhere", "b1", ("cpu",), "2026-01-01T00:00:00Z", dict.fromkeys(names, "0"), 1
    )


def installed(folder: Path, *names: str) -> Path:
    staging.write_record(make(folder, *names), record(*names))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def new_set(lib_dir: Path, name: str) -> Path:
    return installed(staging.staging(lib_dir) / "set", name)


class Killed(BaseException):
    """Stands for the end of the process at that place: nothing that runs after it can mend anything."""


def test_first_and_second(lib_dir: Path) -> None:
    for name in ("libllama.b1.so", "libllama.b2.so"):
        with staging.installing(lib_dir):
            new = new_set(lib_dir, name)
            assert staging.swap(new, lib_dir) is None
            staging.discard(new.parent)
        assert names(lib_dir) == {name, "library.json"}
        assert staging.read_record(lib_dir) == record(name)
        assert names(lib_dir.parent) == {"lib", ".lib.lock"}


def test_files_put_there_by_hand_are_kept(lib_dir: Path) -> None:
    installed(lib_dir, "libllama.b1.so")
    (lib_dir / "notes.txt").write_text("mine")
    with staging.installing(lib_dir):
        kept = staging.swap(new_set(lib_dir, "libllama.b2.so"), lib_dir)
    assert kept is not None
    assert kept.parent == lib_dir.parent
    assert names(kept) == {"libllama.b1.so", "library.json", "notes.txt"}
    assert names(lib_dir) == {"libllama.b2.so", "library.json"}


def test_a_linked_folder_is_not_emptied(lib_dir: Path, tmp_path: Path) -> None:
    own = installed(tmp_path / "own", "libllama.b1.so")
    lib_dir.parent.mkdir()
    lib_dir.symlink_to(own)
    with staging.installing(lib_dir):
        kept = staging.swap(new_set(lib_dir, "libllama.b2.so"), lib_dir)
    assert kept is not None
    assert kept.readlink() == own
    assert names(own) == {"libllama.b1.so", "library.json"}
    assert not lib_dir.is_symlink()


@pytest.mark.parametrize("step", range(4))
def test_killed_at_any_rename(lib_dir: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """It is killed before each of the renames of a swap: the next search finds the old library or the new one, and
    tidies up."""
    installed(lib_dir, "libllama.b1.so")
    rename, count = Path.rename, 0

    def dying(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == step + 1:
            raise Killed
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying)
        new = new_set(lib_dir, "libllama.b2.so")
        try:
            staging.swap(new, lib_dir)
        except Killed:
            assert step < 3
        else:
            assert step == 3
    found = locate.find(None, lib_dir, {}, platform="linux", standard=(), linker_files=list)
    assert found.source == "config"
    assert found.file.name == ("libllama.b1.so" if step < 2 else "libllama.b2.so")
    assert names(lib_dir.parent) == {"lib", ".lib.lock"}


def test_a_swap_between_its_renames_is_waited_for(lib_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that sees no folder waits for the lock; what it does then finds the new folder."""
    lib_dir.parent.mkdir()
    installed(lib_dir.parent / ".lib-old-1", "libllama.b1.so")
    new = installed(lib_dir.parent / ".lib-new-1" / "set", "libllama.b2.so")
    waited: list[float] = []

    class Lock:
        def acquire(self, timeout: float) -> Lock:
            waited.append(timeout)
            new.rename(lib_dir)
            return self

        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(staging, "_lock", lambda folder: Lock())
    staging.tidy(lib_dir)
    assert waited == [10.0]
    assert names(lib_dir) == {"libllama.b2.so", "library.json"}
    assert names(lib_dir.parent) == {"lib"}


def test_leftovers_of_a_running_installation_are_left_alone(lib_dir: Path) -> None:
    installed(lib_dir, "libllama.b1.so")
    with staging.installing(lib_dir):
        work = staging.staging(lib_dir)
        staging.tidy(lib_dir)
        assert work.is_dir()
        with pytest.raises(InstallFailed, match=r"library\.install_running"), staging.installing(lib_dir):
            raise AssertionError
        assert work.is_dir()
    staging.tidy(lib_dir)
    assert not work.exists()


def test_nothing_is_touched_where_all_is_well(lib_dir: Path) -> None:
    installed(lib_dir, "libllama.b1.so")
    staging.tidy(lib_dir)
    staging.tidy(lib_dir.parent / "absent" / "lib")
    assert names(lib_dir.parent) == {"lib"}


def test_a_folder_in_use_stays(lib_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to move a folder with a loaded DLL."""
    installed(lib_dir, "libllama.b1.so")
    new = new_set(lib_dir, "libllama.b2.so")

    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Access is denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(InstallFailed, match=r"library\.in_use"):
            staging.swap(new, lib_dir)
    assert names(lib_dir) == {"libllama.b1.so", "library.json"}


def test_a_new_folder_that_cannot_be_placed_leaves_the_old(lib_dir: Path) -> None:
    installed(lib_dir, "libllama.b1.so")
    with pytest.raises(InstallFailed, match=r"library\.not_placed"):
        staging.swap(lib_dir.parent / "absent", lib_dir)
    assert names(lib_dir.parent) == {"lib"}
    assert names(lib_dir) == {"libllama.b1.so", "library.json"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 3}', "\0"])
def test_a_damaged_record_means_files_of_unknown_origin(lib_dir: Path, content: str) -> None:
    make(lib_dir, "libllama.b1.so")
    (lib_dir / staging.RECORD).write_text(content)
    assert staging.read_record(lib_dir) is None
    with staging.installing(lib_dir):
        kept = staging.swap(new_set(lib_dir, "libllama.b2.so"), lib_dir)
    assert kept is not None
