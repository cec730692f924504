"""Places fields by behaviour: `python -m hoshikage.runner.calibrate FILE --model GGUF --journal FILE`. Main thread.

It may die of any attempt. Each attempt is written into the journal before and after, and a process that is started
again with the same journal goes on behind what ended the last one. Prints one line of JSON and exits 0 when it is
through: {"ok", "reason", "model": {name, size, rows} | null, "context": ...}.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hoshikage._ffi.library import Library
from hoshikage._ffi.opening import Files
from hoshikage.errors import HoshikageError
from hoshikage.lab.calibration import calibrate
from hoshikage.lab.handshake import LogTap
from hoshikage.lab.placement import Uncalibrated
from hoshikage.runner import native


class FileJournal:
    """The journal has one line an attempt and one its result; an attempt without a result ended its process."""

    def __init__(self, file: Path) -> None:
        self._known: dict[str, bool] = {}
        if file.exists():
            for line in file.read_text("utf-8").splitlines():
                name, _, result = line.partition("\t")
                self._known[name] = result == "yes"
        self._file = file

    def attempt(self, name: str, run: Callable[[], bool]) -> bool:
        if name not in self._known:
            self._write(name)
            try:
                self._known[name] = run()
            except HoshikageError:
                self._known[name] = False
            self._write(f"{name}\t{'yes' if self._known[name] else 'no'}")
        return self._known[name]

    def _write(self, line: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hoshikage.runner.calibrate")
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="a tiny GGUF")
    parser.add_argument("--journal", type=Path, required=True, help="what has been tried")
    arguments = parser.parse_args(argv)
    native.prepare()
    report = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    result = examine(arguments.file, arguments.model, arguments.journal)
    with report:
        print(json.dumps(result), file=report)
    return 0


def examine(file: Path, model: Path, journal: Path) -> dict[str, Any]:
    log = LogTap(lambda _level, line: print(line, file=sys.stderr))
    try:
        library = Library(Files(file), log)
        library.start()
        result = calibrate(library, log, str(model), FileJournal(journal))
        library.close()
    except Uncalibrated as refusal:
        return {"ok": False, "reason": str(refusal), "model": None, "context": None}
    return {"ok": True, "reason": "", **asdict(result)}


if __name__ == "__main__":
    sys.exit(main())
