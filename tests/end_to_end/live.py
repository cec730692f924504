"""Runs a real server process on a free port, with its log at hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
START_PATIENCE_S = 60.0


class LiveServer:
    """This is `python -m hoshikage` in an environment of its own; a context manager."""

    def __init__(self, environ: Mapping[str, str], *arguments: str) -> None:
        self._environ = {**os.environ, **environ}
        self._arguments = arguments
        self.log: list[str] = []
        self.port = 0
        self._listening = threading.Event()

    @property
    def environ(self) -> Mapping[str, str]:
        """Gives the environment that it runs in."""
        return self._environ

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status(self) -> Any:
        """Returns what /v1/status tells."""
        with urllib.request.urlopen(f"{self.url}/v1/status", timeout=60) as answer:
            return json.load(answer)

    def variable(self, name: str) -> str:
        """Returns what the server finds in its environment."""
        return self._environ[name]

    def __enter__(self) -> LiveServer:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hoshikage", "--port", "0", *self._arguments],
            env=self._environ,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._listening.wait(START_PATIENCE_S) or not self.port:
            self.process.kill()
            raise AssertionError("the server did not start:\n" + "\n".join(self.log))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            if not self.port and (found := ADDRESS.search(line)):
                self.port = int(found[1])
                self._listening.set()
        self._listening.set()


def home_environ(home: Path, library: Path, **settings: str) -> dict[str, str]:
    """Makes the environment of a user whose home is an empty folder and whose library is the given file."""
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "HOSHIKAGE_LIB_PATH": str(library),
        "HOSHIKAGE_LANG": "en",
        "RUNNER_AHEAD": "off",  # where tests look for processes, there is none but what they cause
        **settings,
    }
