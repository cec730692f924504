"""Tests the copy in memory: real files and locks; what is made, reused, removed, and what is never touched."""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from hoshikage.dispatch import private_folder
from hoshikage.dispatch.ramdisk import CopyCancelled, HeldCopy, MemoryState, Notice, Placed, RamDisk
from hoshikage.messages import LANGUAGES, text

MIB: Final = 2**20
PLENTY: Final = 2**40
CONTENT: Final = bytes(range(256)) * 4096
"""These are 1 MiB: four chunks of the machine below."""
ROOT: Final = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def machine() -> MemoryState:
    return MemoryState(free_bytes=lambda _: PLENTY, available_memory=lambda: PLENTY, chunk=256 * 1024)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Makes a folder like /dev/shm: everybody may write, nobody may exchange another's files."""
    folder = tmp_path / "shm"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "models" / "星 影.gguf"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    return file


@pytest.fixture
def disk(root: Path, machine: MemoryState) -> Iterator[RamDisk]:
    made = RamDisk(root, machine)
    yield made
    made.release()


def ours(root: Path) -> Path:
    return root / f"hoshikage-{os.geteuid()}"


def entries(root: Path) -> list[str]:
    return sorted(entry.name for entry in ours(root).iterdir())


def always(share: float) -> bool:
    return 0 <= share <= 1


def placed(disk: RamDisk, file: Path) -> Placed:
    """Places it and checks that it is in memory, whole."""
    found = disk.place(file, always)
    assert found.in_memory, found.notice
    assert found.file.read_bytes() == file.read_bytes()
    return found


def refused(found: Placed, file: Path, key: str) -> Notice:
    """Returns the warning, and checks that the file itself is the answer and that the warning has its text."""
    assert (found.file, found.in_memory) == (file, False)
    assert found.notice is not None
    assert (found.notice.level, found.notice.key) == (logging.WARNING, f"dispatch.{key}")
    assert all(text(language, found.notice.key, **found.notice.details) for language in LANGUAGES)
    return found.notice


def key_of(found: Placed) -> str:
    assert found.notice is not None
    assert all(text(language, found.notice.key, **found.notice.details) for language in LANGUAGES)
    return found.notice.key


# What is made


def test_a_model_is_copied_into_a_folder_of_ours_alone(disk: RamDisk, root: Path, model: Path) -> None:
    found = placed(disk, model)
    assert key_of(found) == "dispatch.ramdisk_copied"
    assert found.file.parent.parent == ours(root)
    assert stat.S_IMODE(ours(root).stat().st_mode) == 0o700
    assert stat.S_IMODE(found.file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(found.file.stat().st_mode) == 0o400
    assert disk.held == HeldCopy(model, len(CONTENT))
    assert not [name for name in entries(root) if name.startswith("part-")]


def test_in_the_systems_own_folder(model: Path) -> None:
    disk = RamDisk(Path("/dev/shm"))
    try:
        found = placed(disk, model)
        assert found.file.is_relative_to("/dev/shm")
    finally:
        released = disk.release()
    assert released.size >= len(CONTENT)
    assert not found.file.exists()


def test_progress_goes_from_nothing_to_all(disk: RamDisk, model: Path) -> None:
    told: list[float] = []

    def on_progress(share: float) -> bool:
        told.append(share)
        return True

    disk.place(model, on_progress)
    assert told == [0.0, 0.0, 0.25, 0.5, 0.75, 1.0]


def test_an_empty_file_is_copied(disk: RamDisk, model: Path) -> None:
    model.write_bytes(b"")
    placed(disk, model)


def test_a_set_is_one_model(disk: RamDisk, root: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"big-{number:05d}-of-00003.gguf" for number in (1, 2, 3)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 1000)
    found = placed(disk, files[0])
    copies = sorted(found.file.parent.iterdir())
    assert [copy.name for copy in copies] == [f"weights-{number:05d}-of-00003.gguf" for number in (1, 2, 3)]
    assert found.file == copies[0]
    assert [copy.read_bytes() for copy in copies] == [file.read_bytes() for file in files]
    assert len(entries(root)) == 1

    files[2].write_bytes(b"new")
    assert placed(disk, files[0]).file.parent != found.file.parent, "a change of any file makes the copy stale"
    assert len(entries(root)) == 1


def test_a_set_with_a_file_missing_is_the_librarys_to_refuse(disk: RamDisk, root: Path, tmp_path: Path) -> None:
    first = tmp_path / "big-00001-of-00002.gguf"
    first.write_bytes(CONTENT)
    refused(disk.place(first, always), first, "ramdisk_failed")
    assert not ours(root).exists()


def test_a_linked_model_is_copied(disk: RamDisk, model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.gguf"
    link.symlink_to(model)
    assert not placed(disk, link).file.is_symlink()


# What is reused


def test_a_current_copy_is_reused(disk: RamDisk, model: Path) -> None:
    first = placed(disk, model)
    inode = first.file.stat().st_ino
    again = placed(disk, model)
    assert key_of(again) == "dispatch.ramdisk_reused"
    assert (again.file, again.file.stat().st_ino) == (first.file, inode)


@pytest.mark.process
def test_a_copy_of_a_server_that_is_gone_is_reused(root: Path, machine: MemoryState, model: Path) -> None:
    run_and_kill(root, model, at=1.0)
    assert key_of(placed(RamDisk(root, machine), model)) == "dispatch.ramdisk_copied", "killed before it was published"
    run_and_kill(root, model, at=2.0)
    again = RamDisk(root, machine)
    assert key_of(placed(again, model)) == "dispatch.ramdisk_reused"
    again.release()


def test_a_changed_model_is_copied_anew_and_its_old_copy_removed(disk: RamDisk, root: Path, model: Path) -> None:
    old = placed(disk, model)
    was = model.stat()
    model.write_bytes(CONTENT[::-1])
    os.utime(
        model, ns=(was.st_atime_ns, was.st_mtime_ns)
    )  # the time of its content says nothing, that of its inode does
    new = placed(disk, model)
    assert new.file != old.file
    assert entries(root) == [new.file.parent.name]


@pytest.mark.parametrize("damage", ["shorter", "missing", "more"])
def test_a_copy_that_someone_changed_is_made_anew(disk: RamDisk, model: Path, damage: str) -> None:
    copy = placed(disk, model).file
    if damage == "missing":
        copy.unlink()
    if damage == "shorter":
        copy.chmod(0o600)
        os.truncate(copy, 10)
    if damage == "more":
        (copy.parent / "weights-00001-of-00002.gguf").write_bytes(b"")
    assert key_of(placed(disk, model)) == "dispatch.ramdisk_copied"


def test_a_link_in_the_place_of_a_copy_is_neither_used_nor_removed(disk: RamDisk, model: Path) -> None:
    copy = placed(disk, model).file
    copy.unlink()
    copy.symlink_to(model)
    refused(disk.place(model, always), model, "ramdisk_failed")
    assert copy.is_symlink()


# What is removed


def test_another_model_takes_the_place_of_the_first(disk: RamDisk, root: Path, model: Path, tmp_path: Path) -> None:
    old = placed(disk, model)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"other")
    new = placed(disk, other)
    assert not old.file.exists()
    assert entries(root) == [new.file.parent.name]
    assert disk.held == HeldCopy(other, 5)


def test_release_gives_the_memory_back(disk: RamDisk, root: Path, model: Path) -> None:
    placed(disk, model)
    released = disk.release()
    assert released.size == len(CONTENT)
    assert released.notice is not None
    assert (released.notice.level, released.notice.key) == (logging.INFO, "dispatch.ramdisk_released")
    assert entries(root) == []
    assert disk.held is None
    assert (disk.release().size, disk.release().notice) == (0, None)


def test_releasing_what_never_was_makes_nothing(disk: RamDisk, root: Path) -> None:
    assert (disk.release().size, disk.release().notice) == (0, None)
    assert (disk.sweep().size, disk.sweep().notice) == (0, None)
    assert not ours(root).exists()


def test_an_open_copy_stays_readable_after_its_release(disk: RamDisk, model: Path) -> None:
    with placed(disk, model).file.open("rb") as stream:
        disk.release()
        assert stream.read() == CONTENT


def test_foreign_files_are_left_alone(disk: RamDisk, root: Path, model: Path, tmp_path: Path) -> None:
    beside = root / "other-program.gguf"
    beside.write_bytes(b"theirs")
    placed(disk, model)
    kept = {
        ours(root) / name for name in ("notes.txt", "weights.gguf", "copy-1", "part-" + "g" * 32, "copy-" + "0" * 32)
    }
    for file in kept:
        file.write_bytes(b"mine")
    link = ours(root) / ("copy-" + "1" * 32)
    target = tmp_path / "target"
    target.mkdir()
    (target / "weights.gguf").write_bytes(b"precious")
    link.symlink_to(target)
    by_hand = ours(root) / ("copy-" + "2" * 32)
    by_hand.mkdir()
    (by_hand / "weights.gguf").write_bytes(b"four")
    (by_hand / "notes.txt").write_bytes(b"mine")
    disk.sweep()
    assert disk.release().size == len(CONTENT) + 4
    assert beside.read_bytes() == b"theirs"
    assert set(ours(root).iterdir()) == kept | {link, by_hand}
    assert [file.name for file in by_hand.iterdir()] == ["notes.txt"]
    assert (target / "weights.gguf").read_bytes() == b"precious"


# Two servers


def test_two_servers_share_one_copy_until_both_are_done(
    disk: RamDisk, root: Path, machine: MemoryState, model: Path
) -> None:
    other = RamDisk(root, machine)
    copy = placed(disk, model).file
    assert placed(other, model).file == copy
    assert disk.release().size == 0
    assert copy.exists()
    assert other.release().size == len(CONTENT)
    assert not copy.exists()


def test_a_copy_that_another_server_uses_stays(
    disk: RamDisk, root: Path, machine: MemoryState, model: Path, tmp_path: Path
) -> None:
    other = RamDisk(root, machine)
    theirs = placed(other, model).file
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"mine")
    placed(disk, mine)
    disk.sweep()
    disk.release()
    assert theirs.read_bytes() == CONTENT
    other.release()


def test_a_part_that_another_server_writes_stays(disk: RamDisk, root: Path, machine: MemoryState, model: Path) -> None:
    """The second copies the same model while the first is in the middle: both end with one and the same copy."""
    other = RamDisk(root, machine)
    found: list[Placed] = []

    def on_progress(share: float) -> bool:
        if share == 0.5:
            assert other.sweep().size == 0
            found.append(placed(other, model))
        return True

    mine = disk.place(model, on_progress)
    assert mine.in_memory
    assert found == [replace(mine, notice=found[0].notice)]
    assert entries(root) == [mine.file.parent.name]
    other.release()


def test_a_server_that_keeps_the_lock_is_not_waited_for_long(root: Path, machine: MemoryState, model: Path) -> None:
    disk = RamDisk(root, replace(machine, patience_s=0))
    with private_folder.opened(root, os.geteuid(), create=True) as folder, folder.locked(0):
        refused(disk.place(model, always), model, "ramdisk_busy")
        released = disk.release()
        assert (released.size, released.notice and released.notice.key) == (0, "dispatch.ramdisk_busy")
    placed(disk, model)
    disk.release()


def test_a_copy_that_cannot_be_published_leaves_nothing(root: Path, machine: MemoryState, model: Path) -> None:
    disk = RamDisk(root, replace(machine, patience_s=0))
    with ExitStack() as stack:

        def on_progress(share: float) -> bool:
            if share == 1.0:
                stack.enter_context(stack.enter_context(private_folder.opened(root, os.geteuid())).locked(0))
            return True

        refused(disk.place(model, on_progress), model, "ramdisk_busy")
        assert entries(root) == []


def test_calls_wait_for_one_another(disk: RamDisk, model: Path) -> None:
    sizes: list[int] = []
    releaser = threading.Thread(target=lambda: sizes.append(disk.release().size))

    def on_progress(share: float) -> bool:
        if share == 0.25:
            releaser.start()
        assert sizes == []
        return True

    assert disk.place(model, on_progress).in_memory
    releaser.join(10)
    assert sizes == [len(CONTENT)]


# No room


def test_a_full_file_system_means_the_disk(root: Path, machine: MemoryState, model: Path) -> None:
    disk = RamDisk(root, replace(machine, free_bytes=lambda _: len(CONTENT) + 2**30 - 1))
    refused(disk.place(model, always), model, "ramdisk_no_room")
    assert entries(root) == []
    assert disk.held is None


def test_short_memory_means_the_disk(root: Path, machine: MemoryState, model: Path) -> None:
    disk = RamDisk(root, replace(machine, available_memory=lambda: 2 * len(CONTENT) + 2**30 - 1))
    refused(disk.place(model, always), model, "ramdisk_no_memory")
    assert entries(root) == []


def test_a_model_over_the_limit_means_the_disk(root: Path, machine: MemoryState, model: Path) -> None:
    refused(RamDisk(root, machine, limit=len(CONTENT) - 1).place(model, always), model, "ramdisk_limit")
    assert entries(root) == []
    assert RamDisk(root, machine, limit=len(CONTENT)).place(model, always).in_memory


def test_a_file_system_that_fills_up_meanwhile_means_the_disk(
    disk: RamDisk, root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    refused(disk.place(model, always), model, "ramdisk_no_room")
    assert entries(root) == []


def test_the_old_copy_makes_room_before_it_is_measured(
    root: Path, machine: MemoryState, model: Path, tmp_path: Path
) -> None:
    seen: list[list[str]] = []

    def free(_: int) -> int:
        seen.append(entries(root))
        return PLENTY

    disk = RamDisk(root, replace(machine, free_bytes=free))
    placed(disk, model)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"other")
    placed(disk, other)
    assert seen == [[], []]
    disk.release()


# Attacks and accidents


def by_link(root: Path) -> None:
    target = root.parent / "target"
    target.mkdir(mode=0o700)
    ours(root).symlink_to(target)


def by_file(root: Path) -> None:
    ours(root).write_bytes(b"")


def by_mode(root: Path) -> None:
    ours(root).mkdir()
    ours(root).chmod(0o770)


def by_root(root: Path) -> None:
    root.chmod(0o777)


@pytest.mark.parametrize("attack", [by_link, by_file, by_mode, by_root])
def test_a_folder_that_others_could_get_at_is_not_used(
    attack: Callable[[Path], None], disk: RamDisk, root: Path, model: Path
) -> None:
    attack(root)
    notice = refused(disk.place(model, always), model, "ramdisk_unsafe")
    assert str(root) in str(notice.details["folder"])
    assert disk.sweep().size == disk.release().size == 0
    assert [file for file in root.parent.rglob("*") if file.is_file() and file not in (model, ours(root))] == []


def test_a_folder_of_another_owner_is_not_used(root: Path, machine: MemoryState, model: Path) -> None:
    stranger = os.geteuid() + 1
    (root / f"hoshikage-{stranger}").mkdir(mode=0o700)
    root.chmod(0o1777)
    disk = RamDisk(root, replace(machine, uid=stranger))
    refused(disk.place(model, always), model, "ramdisk_unsafe")
    assert list((root / f"hoshikage-{stranger}").iterdir()) == []


def test_a_root_that_is_not_there_means_the_disk(machine: MemoryState, model: Path, tmp_path: Path) -> None:
    disk = RamDisk(tmp_path / "nowhere", machine)
    refused(disk.place(model, always), model, "ramdisk_failed")
    assert (disk.release().size, disk.release().notice) == (0, None)


@pytest.mark.parametrize("name", ["missing.gguf", "folder", "pipe", "nul\0.gguf"])
def test_what_is_no_file_is_the_librarys_to_refuse(disk: RamDisk, root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    refused(disk.place(tmp_path / name, always), tmp_path / name, "ramdisk_failed")
    assert not ours(root).exists()


def append(model: Path) -> None:
    with model.open("ab") as stream:
        stream.write(b"more")


def truncate(model: Path) -> None:
    os.truncate(model, 1000)


def exchange(model: Path) -> None:
    new = model.with_name("new")
    new.write_bytes(CONTENT)
    new.replace(model)


def overwrite(model: Path) -> None:
    with model.open("r+b") as stream:
        stream.write(b"other")


def remove(model: Path) -> None:
    model.unlink()


@pytest.mark.parametrize("change", [append, truncate, exchange, overwrite])
@pytest.mark.parametrize("at", [0.0, 0.5, 0.75])
def test_a_model_that_changes_while_it_is_copied(
    change: Callable[[Path], None], at: float, disk: RamDisk, root: Path, model: Path
) -> None:
    changed: list[float] = []

    def on_progress(share: float) -> bool:
        if share >= at and not changed:
            change(model)
            changed.append(share)
        return True

    refused(disk.place(model, on_progress), model, "ramdisk_changed")
    assert entries(root) == []
    placed(disk, model)


def test_a_model_that_goes_while_it_is_copied(disk: RamDisk, root: Path, model: Path) -> None:
    def on_progress(share: float) -> bool:
        if share == 0.5:
            remove(model)
        return True

    refused(disk.place(model, on_progress), model, "ramdisk_failed")
    assert entries(root) == []


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_cancelling_leaves_nothing(disk: RamDisk, root: Path, model: Path, at: float) -> None:
    with pytest.raises(CopyCancelled):
        disk.place(model, lambda share: share < at)
    assert entries(root) == []
    assert disk.held is None
    placed(disk, model)


@pytest.mark.process
@pytest.mark.parametrize(("at", "size"), [(0.0, 0), (0.5, len(CONTENT)), (1.0, len(CONTENT))])
def test_what_a_killed_server_left_is_swept(
    root: Path, machine: MemoryState, model: Path, at: float, size: int
) -> None:
    run_and_kill(root, model, at)
    (left,) = entries(root)
    assert left.startswith("part-")
    disk = RamDisk(root, machine)
    assert disk.sweep().size == size, "the whole of its memory is taken before anything is copied"
    assert entries(root) == []
    placed(disk, model)
    assert disk.sweep().size == 0
    assert disk.release().size == len(CONTENT)


@pytest.mark.process
def test_what_a_killed_server_left_half_done_is_not_used(root: Path, machine: MemoryState, model: Path) -> None:
    run_and_kill(root, model, 0.5)
    disk = RamDisk(root, machine)
    assert disk.find(model) == Placed(model, False, None)
    assert disk.has_leaving
    disk.clear_away()
    assert entries(root) == []


def test_a_load_of_another_model_waits_for_no_removal(disk: RamDisk, root: Path, model: Path, tmp_path: Path) -> None:
    """The former copy is out of use at once: nobody finds it any more, and its memory goes when there is time."""
    other = tmp_path / "other.gguf"
    other.write_bytes(b"other")
    (name,) = [placed(disk, model).file.parent.name]
    assert disk.find(other) == Placed(other, False, None)
    assert entries(root) == [name]
    assert disk.find(model) == Placed(model, False, None), "what is to go is not used again"
    disk.clear_away()
    assert entries(root) == []
    assert not disk.has_leaving
    disk.clear_away()
    placed(disk, model)


@pytest.mark.process
def test_a_finished_copy_of_a_killed_server_goes_with_release(root: Path, machine: MemoryState, model: Path) -> None:
    run_and_kill(root, model, 2.0)
    disk = RamDisk(root, machine)
    assert disk.sweep().size == 0
    found = disk.find(model)
    assert found.in_memory
    assert found.file.read_bytes() == CONTENT
    assert disk.release().size == len(CONTENT)
    assert entries(root) == []


def run_and_kill(root: Path, model: Path, at: float) -> None:
    """Runs a process that copies the model and is killed at that share; beyond 1, after the copy is published."""
    program = """
        import os, signal, sys
        from pathlib import Path
        from hoshikage.dispatch.ramdisk import MemoryState, RamDisk

        root, model, at = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

        def on_progress(share):
            if share >= at:
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        disk = RamDisk(root, MemoryState(free_bytes=lambda _: 2**40, available_memory=lambda: 2**40, chunk=2**18))
        disk.place(model, on_progress)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(program), str(root), str(model), str(at)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


# Off


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_have_none(platform: str, root: Path, machine: MemoryState, model: Path) -> None:
    disk = RamDisk(root, replace(machine, platform=platform))
    assert disk.place(model, always) == Placed(model, False, None)
    assert disk.sweep() == disk.release()
    assert disk.held is None
    assert list(root.iterdir()) == []


def test_off_is_off(machine: MemoryState, model: Path) -> None:
    assert RamDisk(None, machine).place(model, always) == Placed(model, False, None)
