"""Finds the layouts that a calibration of this very library has left behind. Any thread; reads files."""

from __future__ import annotations

from pathlib import Path

from hoshikage._ffi.layout import Calibrated, calibrated_from
from hoshikage.library import calibration, fingerprint
from hoshikage.settings import cache_dir


def stored(library: Path) -> Calibrated | None:
    """None where there are none. That they may be used (LIBRARY_CALIBRATION) the server has decided before."""
    try:
        content = fingerprint.of_set(library, cache_dir())
        record = calibration.read(calibration.place(content, cache_dir()))
        return calibrated_from(record) if record is not None else None
    except (OSError, KeyError, TypeError, ValueError):
        return None
