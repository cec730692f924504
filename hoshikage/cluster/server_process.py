"""Runs a Hoshikage server that ends with the process it works for, however that ends. Any thread, and one of its own.

Linux ends a tied process with the thread that started it, and Ray promises no life of its threads: so the thread that
reads what the server says starts it, and lives as long as it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoshikage.library import child

ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:(\d+)")
START_S: Final = 120.0
END_S: Final = 20.0
KEPT_LINES: Final = 20


class ServerProcess:
    """This is one server, from its start to its end."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: str | None) -> None:
        self._command = child.tied(command)
        self._environ = environ
        self._folder = folder if folder is not None and Path(folder).is_dir() else None
        self._process: subprocess.Popen[str] | None = None
        self._said: list[str] = []
        self._is_told = threading.Event()
        self._reader = threading.Thread(target=self._run, name="server", daemon=True)
        self.port = 0

    def start(self) -> None:
        """Returns when it listens. Raises RuntimeError, with what it said, where it does not."""
        self._reader.start()
        if not self._is_told.wait(START_S) or not self.port:
            self.kill()
            raise RuntimeError("\n".join(self._said) or "the server did not start")

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def status(self) -> int | None:
        """Returns what it ended with; None while it runs."""
        return None if self._process is None else self._process.poll()

    def wait(self, seconds: float) -> bool:
        """Tells whether it has ended, or does within so many seconds."""
        if self._process is not None:
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
        return True

    def end(self) -> None:
        """Asks it to end, and ends it by force where it does not."""
        if self._process is not None and self.status is None:
            self._process.terminate()
            if not self.wait(END_S):
                self.kill()
            self._reader.join(END_S)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _run(self) -> None:
        """Starts it, and passes its lines on to this process's log; the first address in them is its own."""
        try:
            self._process = subprocess.Popen(
                self._command, env=dict(self._environ), cwd=self._folder, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            self._said = [str(error)]
            self._is_told.set()
            return
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._said = [*self._said[1 - KEPT_LINES :], line.rstrip()]
                with suppress(OSError, ValueError):  # a log that has gone is no reason to end a server
                    sys.stderr.write(line)
                if not self.port and (match := ADDRESS.search(line)):
                    self.port = int(match[1])
                    self._is_told.set()
        self._is_told.set()
