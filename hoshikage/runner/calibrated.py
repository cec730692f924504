"""Reads the layouts that a calibration has left behind. Any thread."""

from __future__ import annotations

import json
from pathlib import Path

from hoshikage._ffi.layout import Calibrated, calibrated_from


def read(file: Path | None) -> Calibrated | None:
    """Returns the file's layouts; None for no file, and for one that cannot be read or is damaged: the library is then
    refused as unknown."""
    try:
        return calibrated_from(json.loads(file.read_text(encoding="utf-8"))) if file is not None else None
    except (OSError, KeyError, TypeError, ValueError):
        return None
