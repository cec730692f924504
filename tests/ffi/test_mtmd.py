"""libmtmd's parameters are recognised by layout, and its functions found beside libllama."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from hoshikage._ffi.layout import Field, Layout
from hoshikage._ffi.mtmd import FIRST
from hoshikage._ffi.mtmd_layouts import FIELDS, LAYOUTS
from hoshikage._ffi.recognition import DefaultImage, Unrecognised, recognise
from hoshikage.messages import LANGUAGES, Language, text
from tests.conftest import ROOT
from tests.media_library import media_library
from tests.split_media import split

MARKER: Final = 0x7F00_1234_5678
KNOWN: Final = {**FIELDS, "media_marker": Field("P", (MARKER,))}


def image(layout: Layout, *, padded: bool, **changes: float) -> DefaultImage:
    """Returns what the default function of a release with this layout writes; `padded`: the gaps are zeroed, too."""
    data, written = bytearray(256), set(range(layout.size)) if padded else set()
    for name, offset in layout.offsets().items():
        field = KNOWN[name]
        value = changes.get(name, field.defaults[0] if field.defaults else MARKER + 16)
        struct.pack_into(field.code.replace("?", "B"), data, offset, int(value))
        written |= set(range(offset, offset + field.size))
    return DefaultImage(bytes(data), frozenset(written))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("padded", [True, False])
def test_each_layout_is_recognised(layout: Layout, padded: bool) -> None:
    assert recognise(image(layout, padded=padded), LAYOUTS, KNOWN) is layout


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_another_marker_is_another_layout(layout: Layout) -> None:
    with pytest.raises(Unrecognised) as refused:
        recognise(image(layout, padded=True, media_marker=MARKER + 1), LAYOUTS, KNOWN)
    assert "media_marker" in refused.value.difference


def test_a_longer_structure_is_refused() -> None:
    longer = image(LAYOUTS[-1], padded=True)
    assert longer.written is not None
    with pytest.raises(Unrecognised):
        recognise(DefaultImage(longer.data, longer.written | {*range(96, 104)}), LAYOUTS, KNOWN)


PROGRAM: Final = """
import json, sys
from pathlib import Path
from hoshikage._ffi.library import load
from hoshikage.errors import NotSupported
library = load(Path(sys.argv[1]), lambda level, line: None)
try:
    print(json.dumps(library.media().layout.name))
except NotSupported as error:
    print(json.dumps(error.key))
"""


def strangers(folder: Path, library_file: Path) -> Path:
    """Makes a libllama with a libmtmd beside it that works with another one."""
    folder.mkdir()
    for file in library_file.parent.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / library_file.name.replace("llama", "mtmd", 1)).symlink_to(media_library())
    return folder / library_file.name


@pytest.mark.process
def test_it_is_found_in_the_file_or_beside_it_or_refused(tmp_path: Path, library_file: Path) -> None:
    """Each is a process of its own: of two libllamas in one, the second would be given the first one's functions."""
    damaged = split(tmp_path / "damaged")
    (damaged.parent / "libmtmd.so").write_bytes(b"no library")
    cases = {
        media_library(): "mtmd-E",
        split(tmp_path / "split"): "mtmd-E",
        damaged: "library.media_stranger",
        strangers(tmp_path / "strangers", library_file): "library.media_stranger",
        library_file: "library.media_lacking",
    }
    for file, expected in cases.items():
        assert found(file) == expected, file


def found(file: Path) -> str:
    """Returns the name of its layout, or why it is refused."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return str(json.loads(ran.stdout))


@pytest.mark.parametrize("key", ["library.media_lacking", "library.media_old"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_release_that_has_it_is_named(language: Language, key: str) -> None:
    assert FIRST in text(language, key, names="mtmd_free", first=FIRST)
