"""The log as a person at the terminal sees it; rich is imported where there is one. Main thread."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from hoshikage import logs

MESSAGE = "%(name)s [%(request_id)s] %(message)s"
"""Time and level stand in columns of their own."""


def handler(environ: Mapping[str, str]) -> logging.Handler:
    """Makes what logs to stderr: in colour on a terminal, in plain lines to a file, a pipe or systemd's journal."""
    if sys.stderr is None:  # pythonw, which has no console
        return logging.NullHandler()
    if not sys.stderr.isatty():
        return logs.plain(sys.stderr, environ)
    from rich.console import Console
    from rich.highlighter import NullHighlighter
    from rich.logging import RichHandler

    console = Console(file=sys.stderr, markup=False, highlight=False, emoji=False)
    drawn = RichHandler(
        console=console,
        show_path=False,
        markup=False,
        highlighter=NullHighlighter(),
        omit_repeated_times=False,
        log_time_format="%H:%M:%S",
    )
    drawn.setFormatter(logs.Lines(MESSAGE))
    return drawn
