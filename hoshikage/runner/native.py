"""Sets the environment that native code finds, before a library is loaded. Main thread."""

from __future__ import annotations

import os


def prepare() -> None:
    """Keeps ggml from running a debugger on this process when it aborts: its assertion is logged without that.

    A debugger stops the process for seconds, and its backtrace pushes the reason out of the log.
    """
    os.environ["GGML_NO_BACKTRACE"] = "1"
