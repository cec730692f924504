"""Tests the one store of small files: fresh reads, one writer at a time, and a last good copy."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hoshikage.locked_file import FileBusy, LockedFile, NoObject, NoSmallFile, dump, parse_object

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither pipes in folders nor these permissions")


def test_a_write_is_read_and_kept_as_the_last_good(tmp_path: Path) -> None:
    store = LockedFile(tmp_path / "deep" / "a.json", mode=0o600, last_good=tmp_path / "a.last-good")
    with store.locked():
        store.write(b"one")
    assert store.read().data == (tmp_path / "a.last-good").read_bytes() == b"one"
    assert {file.name for file in (tmp_path / "deep").iterdir()} == {"a.json", "a.json.lock"}


@posix
def test_what_is_written_has_the_mode_that_is_asked_for(tmp_path: Path) -> None:
    store = LockedFile(tmp_path / "a", mode=0o600)
    with store.locked():
        store.write(b"secret")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    before = store.read().signature
    (tmp_path / "a").chmod(0o644)
    assert store.read().signature != before, "who may read it has changed"


def test_a_second_writer_waits_and_is_then_told(tmp_path: Path) -> None:
    first, second = (LockedFile(tmp_path / "a", wait_s=0.01) for _ in range(2))
    with first.locked(), pytest.raises(FileBusy), second.locked():
        raise AssertionError("two writers at once")
    with second.locked():
        second.write(b"after")
    assert first.read().data == b"after"


def test_a_writer_removes_what_killed_ones_left(tmp_path: Path) -> None:
    stray = tmp_path / ".a.0123456789abcdef.tmp"
    store = LockedFile(tmp_path / "a")
    stray.write_bytes(b"half")
    with store.locked():
        assert not stray.exists()
    stray.write_bytes(b"half")
    with store.locked():
        stray.write_bytes(b"half")
        LockedFile(tmp_path / "a").sweep()
        assert stray.exists(), "somebody writes it"
    store.sweep()
    assert not stray.exists()


@posix
@pytest.mark.parametrize("follow", [True, False])
def test_a_link_is_followed_or_refused(tmp_path: Path, *, follow: bool) -> None:
    target = tmp_path / "dotfiles" / "a"
    target.parent.mkdir()
    target.write_bytes(b"old")
    (tmp_path / "a").symlink_to(target)
    store = LockedFile(tmp_path / "a", follow_link=follow)
    if not follow:
        with pytest.raises(OSError, match=r"Too many levels|Symbolic link"):
            store.read()
    with store.locked():
        store.write(b"new")
    assert (tmp_path / "a").is_symlink() == follow
    assert (target.read_bytes(), store.read().data) == (b"new" if follow else b"old", b"new")


@posix
def test_what_is_no_small_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"12345")
    for name in ("pipe", "large"):
        with pytest.raises(NoSmallFile):
            LockedFile(tmp_path / name, max_bytes=4).read()
    with pytest.raises(FileNotFoundError):
        LockedFile(tmp_path / "absent").read()


def test_an_object_tells_which_names_stand_twice() -> None:
    found = parse_object(b'\xef\xbb\xbf{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}')
    assert (found.entries, found.doubled, found.doubled_within) == ({"a": 3, "b": {"c": 2}}, ("a",), True)
    assert parse_object(b"{}").doubled == ()
    for text, kind in (
        (b"[]", NoObject),
        (b"{", ValueError),
        (b'{"a": NaN}', ValueError),
        (b'{"a": 1e999}', ValueError),
    ):
        with pytest.raises(kind):
            parse_object(text)


def test_what_is_dumped_is_parsed_again() -> None:
    entries = {"星": {"a": [1, None, 0.5]}, "\ud800": "x"}
    assert parse_object(dump(entries)).entries == entries
