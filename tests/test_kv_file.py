"""Tests a put-away sequence as a file: what was written is read, and nothing else is."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

import msgspec
import pytest

from hoshikage import kv_file
from hoshikage.kv_file import DamagedState

TOKENS: Final = [1, 70_000, 3]
STATE: Final = bytes(range(64))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    result = tmp_path / "one.kv"
    result.touch()
    assert kv_file.write(str(result), "key", "scope", TOKENS, STATE) == result.stat().st_size
    return result


def test_what_was_written_is_read(file: Path) -> None:
    header = kv_file.read_header(file)
    assert (header.key, header.scope, header.n_tokens) == ("key", "scope", len(TOKENS))
    assert kv_file.unpacked(header.tokens) == TOKENS
    assert kv_file.read_state(file, header) == STATE
    assert kv_file.size_of(len(TOKENS), len(STATE)) >= file.stat().st_size


def test_a_file_that_is_cut_off_anywhere_is_refused(file: Path) -> None:
    data, header = file.read_bytes(), kv_file.read_header(file)
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(DamagedState):
            kv_file.read_state(file, header)


def test_a_file_with_one_other_byte_is_refused(file: Path) -> None:
    data, header = file.read_bytes(), kv_file.read_header(file)
    for at in range(len(data)):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        with pytest.raises(DamagedState):
            kv_file.read_state(file, header)


def test_a_file_whose_end_never_reached_the_disk_is_refused(file: Path) -> None:
    """After a power cut some file systems show the file's length, and zeros in it."""
    data, header = file.read_bytes(), kv_file.read_header(file)
    for kept in range(len(data) - 1):
        file.write_bytes(data[:kept] + bytes(len(data) - kept))
        with pytest.raises(DamagedState):
            kv_file.read_state(file, header)


def test_another_file_of_that_name_is_refused(file: Path) -> None:
    """A descriptor's number may have become another file's."""
    header = kv_file.read_header(file)
    file.write_bytes(b"")
    kv_file.write(str(file), "key", "another scope", TOKENS, STATE)
    with pytest.raises(DamagedState):
        kv_file.read_state(file, header)


def test_a_header_of_another_shape_is_refused(file: Path) -> None:
    body = msgspec.msgpack.encode(["key", 7])
    head = kv_file.MAGIC + len(body).to_bytes(4, "little")
    file.write_bytes(head + body + hashlib.sha256(body).digest())
    with pytest.raises(DamagedState):
        kv_file.read_header(file)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO")
def test_a_pipe_of_that_name_stops_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DamagedState):
        kv_file.read_header(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_one_begins_another_of_the_same_key_and_scope(tmp_path: Path) -> None:
    def header(tokens: list[int], scope: str = "a") -> kv_file.Header:
        return kv_file.Header("key", scope, kv_file.packed(tokens), 0, b"")

    assert header([1, 2]).begins(header([1, 2, 3]))
    assert header([1, 2]).begins(header([1, 2]))
    assert not header([1, 2]).begins(header([1, 3, 2]))
    assert not header([1, 2]).begins(header([1, 2, 3], "b"))


def test_a_file_is_known_by_how_it_begins_and_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.write_bytes(b"GGUF")
    os.utime(file, ns=(1, 1))
    first = kv_file.identity(file)
    file.write_bytes(b"GGUG")
    os.utime(file, ns=(1, 1))
    other = kv_file.identity(file)
    os.utime(file, ns=(1, 2))
    later = kv_file.identity(file)
    assert len({first, other, later}) == 3
    moved = file.rename(tmp_path / "moved")
    assert kv_file.identity(moved) == later
