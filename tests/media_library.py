"""Finds a library that reads pictures and sound: the package xllamacpp has libllama and libmtmd in one file."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "HOSHIKAGE_TEST_MTMD"
"""This is the path of another library to test with, whose libmtmd lies beside it or within it."""


def media_library() -> Path:
    """Returns its file; nothing of the package is imported."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    for file in importlib.metadata.files("xllamacpp") or ():
        if file.name.startswith("xllamacpp.") and file.suffix in (".so", ".pyd"):
            return Path(str(file.locate()))
    raise FileNotFoundError("xllamacpp")
