"""Ties a child process to the life of its parent, and to a time. Main thread, before anything else of the child."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys

from hoshikage.native_os.process import die_with_parent

EXIT_ORPHANED = 3


def tie(parent: int, seconds: int) -> None:
    """Ties this process to `parent`: it ends when that does, however that ends, and by its own alarm after so many
    seconds; 0 sets none.

    The alarm is the system's: no code that runs, and none that waits, holds it up. Both outlive an exec.
    """
    die_with_parent()
    if os.name == "posix" and os.getppid() != parent:  # it ended before the line above
        os._exit(EXIT_ORPHANED)
    if not seconds:
        return
    if sys.platform == "win32":
        faulthandler.dump_traceback_later(seconds, exit=True)
    else:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
