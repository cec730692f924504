"""Tests whether a copy in memory can bring something: the verdict from given facts, and what is measured of real
files."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from hoshikage.dispatch import copy_worth
from hoshikage.dispatch.copy_worth import DiskFacts, verdict

GIB: Final = 2**30
FACTS: Final = DiskFacts(
    size=4 * GIB, file_system="ext4", rate=3.0 * GIB, kept=1.0, came_cold=False, available=64 * GIB
)


@pytest.mark.parametrize(
    ("changed", "wanted", "why"),
    [
        ({}, False, "fast"),
        ({"file_system": "nfs4"}, True, "remote"),
        ({"file_system": "fuse.sshfs", "size": 2**20}, True, "remote"),
        ({"file_system": "tmpfs", "rate": None}, False, "in_memory"),
        ({"rate": 0.5 * GIB}, True, "slow"),
        ({"rate": float(GIB)}, False, "fast"),
        ({"rate": 0.5 * GIB, "size": GIB // 9}, False, "small"),
        ({"came_cold": True}, True, "not_kept"),
        ({"kept": 0.5}, True, "not_kept"),
        ({"rate": None}, False, "fast"),
        ({"rate": None, "kept": 0.5}, True, "not_kept"),
        ({"available": 13 * GIB - 1}, True, "short"),
        ({"available": 13 * GIB}, False, "fast"),
    ],
)
def test_what_follows_from_the_facts(changed: dict[str, object], wanted: bool, why: str) -> None:
    found = verdict(replace(FACTS, **changed))  # type: ignore[arg-type]  # fields by name
    assert (found.wanted, found.why) == (wanted, why)


MOUNTS: Final = (
    "20 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "40 20 0:50 / {folder}/far\\040away rw - nfs4 server:/models rw\n"
    "41 20 0:51 / {folder}/over rw - xfs /dev/sdb rw\n"
    "42 20 0:52 / {folder}/over rw - cifs //server/share rw\n"
    "43\n"
)


@pytest.mark.parametrize(("folder", "kind"), [("", "ext4"), ("far away", "nfs4"), ("far", "ext4"), ("over", "cifs")])
def test_the_file_system_is_the_one_of_the_deepest_and_last_mount(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.replace("{folder}", str(tmp_path.resolve())), encoding="utf-8")
    assert copy_worth.file_system(tmp_path / folder / "a.gguf", mounts) == kind
    assert copy_worth.file_system(tmp_path / "a.gguf", tmp_path / "nowhere") == ""


# Nothing is missing elsewhere: no other system has the RAM disk, and what decides on it is tested above everywhere.
@pytest.mark.skipif(sys.platform != "linux", reason="the RAM disk is Linux's alone")
def test_a_real_disk_is_measured_past_the_page_cache(tmp_path: Path) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(os.urandom(3 * copy_worth.PROBE))
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        facts = copy_worth.facts_of(file, False, lambda: True)
        assert facts.size == 3 * copy_worth.PROBE
        assert facts.kept == 1.0
        assert facts.available > 0
        if facts.file_system not in copy_worth.IN_MEMORY:
            assert facts.rate is not None
            assert facts.rate > 0
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert copy_worth.kept_share(file) < copy_worth.KEPT
    assert copy_worth.read_rate(file, lambda: False) is None, "somebody else wants the machine"


def test_what_cannot_be_measured_is_taken_to_be_quick(tmp_path: Path) -> None:
    missing, short = tmp_path / "missing.gguf", tmp_path / "short.gguf"
    short.write_bytes(b"GGUF")
    assert [copy_worth.read_rate(file, lambda: True) for file in (missing, short)] == [None, None]
    assert copy_worth.kept_share(missing) == 1.0
    with pytest.raises(OSError, match="missing"):
        copy_worth.facts_of(missing, False, lambda: True)
