"""How the commands judge a library: as the settings say. Main thread; blocking for up to LIBRARY_TIMEOUT."""

from __future__ import annotations

from pathlib import Path

from hoshikage.cli.context import Context
from hoshikage.library import demo, verdict
from hoshikage.settings import cache_dir


def judge(file: Path, context: Context, *, fresh: bool = False) -> verdict.Verdict:
    """As `verdict.judge`."""
    return verdict.judge(
        file,
        cache_dir=cache_dir(),
        demo=demo.find(),
        timeout_s=context.settings.library_timeout,
        fresh=fresh,
        environ=context.environ,
        calibrate=context.settings.library_calibration,
    )
