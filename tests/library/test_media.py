"""Tests whether a library is known to read pictures, by real libraries' files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage.library import media
from tests.media_library import media_library
from tests.split_media import split


@pytest.mark.process
def test_libmtmd_is_found_where_a_load_finds_it(library_file: Path, tmp_path: Path) -> None:
    assert not media.is_there(library_file)
    assert media.is_there(media_library())
    assert media.is_there(split(tmp_path / "split"))


def test_beside_the_library_or_behind_its_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "libllama.so.1").write_bytes(b"\x7fELF llama_decode")
    link = tmp_path / "libllama.so"
    link.symlink_to(tmp_path / "real" / "libllama.so.1")
    assert not media.is_there(link)
    (tmp_path / "real" / "libmtmd.so.1").write_bytes(b"")
    assert media.is_there(link)
