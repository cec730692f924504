"""Judges a library for the commands, as the settings say. Main thread; blocking for up to LIBRARY_TIMEOUT."""

from __future__ import annotations

from pathlib import Path

from hoshikage.cli.context import CommandContext
from hoshikage.library import check_report, demo
from hoshikage.settings import cache_dir


def judge(file: Path, context: CommandContext, *, fresh: bool = False) -> check_report.CheckReport:
    """Does what `check_report.check` does."""
    return check_report.check(
        file,
        cache_dir=cache_dir(),
        demo=demo.find(),
        timeout_s=context.settings.library_timeout,
        fresh=fresh,
        environ=context.environ,
        calibrate=context.settings.library_calibration,
    )
