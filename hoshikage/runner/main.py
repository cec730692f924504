"""Enters the runner process: pipes, limits, parent watch. The main thread reads commands; the engine thread works.

Commands come on the standard input the server gave, events leave on its standard output. Both are moved to private
descriptors before the library is loaded, because native code may print: descriptor 1 then leads to the log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hoshikage import wire
from hoshikage.engine.worker import Worker
from hoshikage.native_os.interrupt import end_what_does_not_stop
from hoshikage.runner import native
from hoshikage.runner.calibrated import read
from hoshikage.runner.lifeline import EXIT_ORPHANED

STOP_PATIENCE_S = 5.0


def main(arguments: Sequence[str]) -> int:
    """`arguments` are the path of the library, the least `logging` level to report, and where there is one, the file
    with the library's calibrated layouts.
    """
    library, log_level = Path(arguments[0]), int(arguments[1])
    layouts = Path(arguments[2]) if arguments[2:] else None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the server decides
    end_what_does_not_stop()
    _offer_to_oom_killer()
    native.prepare()
    commands, events = _take_pipes()
    worker = Worker(library, _Writer(events), log_level, partial(read, layouts))
    worker.start()
    try:
        _serve(commands, worker)
    finally:
        worker.stop()
        worker.join(STOP_PATIENCE_S)
        # The library's own threads and destructors have no say in how long leaving takes.
        os._exit(0 if not worker.is_alive() else 1)


def _serve(commands: BinaryIO, worker: Worker) -> None:
    """Hands commands to the engine thread until the end of the pipe."""
    while len(header := commands.read(wire.HEADER_BYTES)) == wire.HEADER_BYTES:
        command = wire.decode_command(commands.read(wire.body_length(header)))
        if isinstance(command, wire.Cancel):
            worker.cancel(command.job)
        else:
            worker.submit(command)


class _Writer:
    """Writes events to the server; any thread. A server that is gone ends this process."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, event: wire.Event) -> None:
        frame = wire.encode(event)
        try:
            with self._lock:
                while written := os.write(self._pipe, frame):
                    if written == len(frame):
                        return
                    frame = frame[written:]
        except OSError:
            os._exit(EXIT_ORPHANED)


def _take_pipes() -> tuple[BinaryIO, int]:
    """Takes over the pipes, and returns the binary command stream and the event descriptor."""
    commands, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(commands, os.O_BINARY)
        msvcrt.setmode(events, os.O_BINARY)
    return os.fdopen(commands, "rb"), events


def _offer_to_oom_killer() -> None:
    """When the system runs out of memory, the model goes and the server stays (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
