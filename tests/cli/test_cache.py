"""Tests `hoshikage cache` where no server runs: the files are looked at, and removed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hoshikage import kv_file
from hoshikage.dispatch.kv_files import FolderFiles
from hoshikage.dispatch.slot_files import SlotFiles
from hoshikage.settings import cache_dir


def stored(scope: str, label: str) -> Path:
    files = FolderFiles(cache_dir() / "kv")
    path = files.make()
    kv_file.write(path, "0" * 32, scope, [1, 2, 3], bytes(2**20), label)
    files.publish(path, "0" * 32)
    return files.folder


def test_files_are_listed_and_cleared(cli: Any) -> None:
    assert cli("cache", "--json").data == {"data": [], "bytes": 0}
    folder = stored("ann 1700000000\0AdapterSet()", "star")
    slots = SlotFiles(cache_dir())
    made = slots.make()
    kv_file.write(made, "0" * 32, "", [1, 2], bytes(10), "star")
    slots.publish(made, slots.path_of("mine.bin").name)
    os.utime(slots.make(), (0, 0))  # one that a killed server left behind
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    shown = cli("cache", "list").out
    assert "ann" in shown
    assert "mine.bin" in shown
    assert "1.0" in shown
    rows = cli("cache", "--json").data["data"]
    assert sorted((row["where"], row["caller"], row["tokens"]) for row in rows) == [
        ("disk", "ann", 3),
        ("slot", None, 2),
    ]
    assert cli("cache", "clear", "--json").data["removed"] == 2
    assert cli("cache", "--json").data["data"] == []
    assert [file.name for file in folder.rglob("*") if file.is_file()] == ["notes.txt"]


def test_a_damaged_file_is_listed_and_cleared_too(cli: Any) -> None:
    folder = stored("", "star")
    (file,) = folder.glob("*.kv")
    file.write_bytes(b"nothing")
    (row,) = cli("cache", "--json").data["data"]
    assert (row["model"], row["tokens"], row["bytes"]) == (None, 0, 7)
    assert cli("cache", "clear", "--json").data == {"removed": 1, "bytes": 7}
